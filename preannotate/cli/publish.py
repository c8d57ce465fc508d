"""`preannotate publish`, `unpublish`, `rollback` and `versions`: the versions of a model, and which one CVAT uses."""

import argparse

from preannotate.cli.arguments import add_json, add_name, add_workspace
from preannotate.cli.command import Command
from preannotate.registry.deployment import DEPLOYMENTS, SERVE


def _add_publish_arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    parser.add_argument("version", metavar="VERSION", type=int, help="number of the version")
    parser.add_argument(
        "--deploy", choices=tuple(DEPLOYMENTS), default=SERVE, help="how CVAT gets the function (default: serve)"
    )
    add_workspace(parser)


def _run_publish(arguments: argparse.Namespace) -> int:
    from preannotate.pipeline.command import publish

    return publish(arguments.workspace, arguments.name, arguments.version, arguments.deploy)


def _add_name_arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    add_workspace(parser)


def _run_unpublish(arguments: argparse.Namespace) -> int:
    from preannotate.pipeline.command import unpublish

    return unpublish(arguments.workspace, arguments.name)


def _run_rollback(arguments: argparse.Namespace) -> int:
    from preannotate.pipeline.command import roll_back

    return roll_back(arguments.workspace, arguments.name)


def _add_versions_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="name of a model (default: all models)")
    add_workspace(parser)
    add_json(parser)


def _run_versions(arguments: argparse.Namespace) -> int:
    from preannotate.pipeline.command import versions

    return versions(arguments.workspace, arguments.name, as_json=arguments.json)


COMMANDS = (
    Command("publish", "publish a version of a model to CVAT", _add_publish_arguments, _run_publish),
    Command("unpublish", "remove a model from CVAT; its versions are kept", _add_name_arguments, _run_unpublish),
    Command("rollback", "publish the previous version of a model again", _add_name_arguments, _run_rollback),
    Command("versions", "list models and versions, and which one is published", _add_versions_arguments, _run_versions),
)
