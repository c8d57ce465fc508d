"""`preannotate publish`, `unpublish`, `rollback` and `versions`: the versions of a model, and which one CVAT uses."""

import argparse

from preannotate.cli.arguments import add_deploy_arguments, add_json, add_workspace
from preannotate.cli.command import Command
from preannotate.registry.publication import DEPLOYMENTS, Deploy


def _add_publish_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the model")
    parser.add_argument("version", metavar="VERSION", type=int, help="number of the version")
    parser.add_argument(
        "--deploy",
        choices=tuple(map(str, DEPLOYMENTS)),
        default=str(Deploy.SERVE),
        help="how CVAT gets the function (default: serve)",
    )
    add_deploy_arguments(parser, default="")
    add_workspace(parser)


def _run_publish(arguments: argparse.Namespace) -> int:
    from preannotate.core.errors import UsageError
    from preannotate.registry import publication
    from preannotate.registry.deploy_script import DeployArguments
    from preannotate.registry.workspace import Workspace

    workspace, deploy = Workspace(arguments.workspace), Deploy(arguments.deploy)
    try:
        given = str(DeployArguments.parse(arguments.deploy_arguments))
    except ValueError as error:
        raise UsageError(f"--deploy-arguments: {error}") from error
    version = publication.publish(workspace, arguments.name, arguments.version, deploy=deploy, arguments=given)
    print(f"{arguments.name}: version {version.number} is published")
    return 0


def _add_name_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the model")
    add_workspace(parser)


def _run_unpublish(arguments: argparse.Namespace) -> int:
    from preannotate.registry import publication
    from preannotate.registry.workspace import Workspace

    publication.unpublish(Workspace(arguments.workspace), arguments.name)
    print(f"{arguments.name}: is not published any more; its versions are kept")
    return 0


def _run_rollback(arguments: argparse.Namespace) -> int:
    from preannotate.registry import publication
    from preannotate.registry.workspace import Workspace

    version = publication.roll_back(Workspace(arguments.workspace), arguments.name)
    print(f"{arguments.name}: version {version.number} is published again")
    return 0


def _add_versions_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="name of a model (default: all models)")
    add_workspace(parser)
    add_json(parser)


def _run_versions(arguments: argparse.Namespace) -> int:
    from preannotate.registry.publication import versions_as_json, versions_as_table
    from preannotate.registry.workspace import Workspace

    workspace = Workspace(arguments.workspace)
    models = workspace.models() if arguments.name is None else [workspace.existing(arguments.name)]
    print(versions_as_json(models) if arguments.json else versions_as_table(models))
    return 0


COMMANDS = (
    Command("publish", "publish a version of a model to CVAT", _add_publish_arguments, _run_publish),
    Command("unpublish", "remove a model from CVAT; its versions are kept", _add_name_arguments, _run_unpublish),
    Command("rollback", "publish the previous version of a model again", _add_name_arguments, _run_rollback),
    Command("versions", "list models and versions, and which one is published", _add_versions_arguments, _run_versions),
)
