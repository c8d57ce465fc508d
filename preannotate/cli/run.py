"""`run`, `publish`, `unpublish`, `rollback` and `versions`: their arguments, and who does them.

Exit codes of `run`: 0 done; 1 a check failed, or the new version is not better than the published one; 2 it could not
run; 130 interrupted.
"""

import argparse
from pathlib import Path

from preannotate.cli.command import Commands
from preannotate.cli.login_arguments import add_login_arguments, login_of
from preannotate.pipeline.run_request import DEPLOY
from preannotate.registry.deployment import DEPLOYMENTS, SERVE
from preannotate.registry.workspace import DEFAULT


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `run`; what is not given is None, so that it can come from `asked.json`."""
    add = parser.add_argument
    for name in ("task", "project", "job"):
        add(f"--{name}", type=int, action="append", default=[], metavar="ID", help="may be given several times")
    add("--name", help="of the model and its function (default: from the task's or project's name)")
    _add_workspace(parser)
    add("--model", metavar="M", help="as `train --model` (default: ssd-mobilenet-v2)")
    add("--arguments", metavar="A=1,B=2", help="as `train --arguments`")
    add(
        "--base-model",
        metavar="M",
        help="as `train --base-model`, or previous: the latest finished version of this model (default: imagenet)",
    )
    add("--deploy", choices=DEPLOY, help="how CVAT gets the function (default: serve)")
    add("--completed-jobs", action="store_true", default=None, help="only frames of jobs whose state is completed")
    add("--include-auto", action="store_true", default=None, help="also learn from unchanged automatic shapes")
    add(
        "--accept-completed",
        action="store_true",
        default=None,
        help="automatic shapes of completed jobs count as checked by people",
    )
    add("--annotate-rest", action="store_true", default=None, help="annotate the frames that nobody annotated")
    add("--only-if-better", action="store_true", default=None, help="publish only what beats the published version")
    add(
        "--kubernetes",
        metavar="image=I,claim=C",
        help="train there, as `train --kubernetes`; the workspace lies on the volume, mounted at the same path here",
    )
    add("--restart", action="store_true", help="train anew, although nothing changed")
    add("--notify", action="store_true", help="tell when it has ended; `preannotate notify` says whom")
    add("--wait", type=float, metavar="SECONDS", default=60.0, help="until CVAT lists the function (default: 60)")
    add_login_arguments(parser)


def run_run(arguments: argparse.Namespace) -> int:
    """From tasks to a published function; returns the exit code."""
    from preannotate.pipeline.command import run

    login = login_of(arguments)
    said = {
        "cvat": login.pop("url"),
        "tasks": arguments.task,
        "projects": arguments.project,
        "jobs": arguments.job,
        **{key: value or None if key == "insecure" else value for key, value in login.items()},
        **{
            key: getattr(arguments, key)
            for key in (
                *("model", "arguments", "base_model", "deploy", "completed_jobs", "include_auto", "accept_completed"),
                *("annotate_rest", "only_if_better", "kubernetes"),
            )
        },
    }
    folder = arguments.workspace or DEFAULT

    def command() -> int:
        return run(folder, arguments.name, said, restart=arguments.restart, seconds=arguments.wait)

    if not arguments.notify:
        return command()
    from preannotate.pipeline.notified_run import run as told
    from preannotate.registry.workspace import Workspace

    return told(command, Workspace(folder), arguments.name)


def add_publish_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `publish`."""
    parser.add_argument("name", metavar="NAME", help="of the model")
    parser.add_argument("version", metavar="VERSION", type=int, help="its number")
    parser.add_argument("--deploy", choices=tuple(DEPLOYMENTS), default=SERVE, help="default: serve")
    _add_workspace(parser)


def run_publish(arguments: argparse.Namespace) -> int:
    """Let CVAT see a version; returns the exit code."""
    from preannotate.pipeline.command import publish

    return publish(arguments.workspace, arguments.name, arguments.version, arguments.deploy)


def add_name_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `unpublish` and `rollback`."""
    parser.add_argument("name", metavar="NAME", help="of the model")
    _add_workspace(parser)


def run_unpublish(arguments: argparse.Namespace) -> int:
    """Take a model away from CVAT; returns the exit code."""
    from preannotate.pipeline.command import unpublish

    return unpublish(arguments.workspace, arguments.name)


def run_rollback(arguments: argparse.Namespace) -> int:
    """Publish the version before; returns the exit code."""
    from preannotate.pipeline.command import roll_back

    return roll_back(arguments.workspace, arguments.name)


def add_versions_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `versions`."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="of a model (default: all)")
    _add_workspace(parser)
    parser.add_argument("--json", action="store_true", help="print them as JSON")


def run_versions(arguments: argparse.Namespace) -> int:
    """List models and versions; returns the exit code."""
    from preannotate.pipeline.command import versions

    return versions(arguments.workspace, arguments.name, as_json=arguments.json)


def _add_workspace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workspace", type=Path, default=DEFAULT, metavar="DIR", help=f"default: {DEFAULT}")


COMMANDS: Commands = {
    "run": ("from a task of CVAT to a function on its Models page, again and again", add_run_arguments, run_run),
    "publish": ("let CVAT see a version of a model", add_publish_arguments, run_publish),
    "unpublish": ("take a model away from CVAT; its versions stay", add_name_arguments, run_unpublish),
    "rollback": ("publish the version that was there before", add_name_arguments, run_rollback),
    "versions": ("list models, their versions, and which one CVAT sees", add_versions_arguments, run_versions),
}
