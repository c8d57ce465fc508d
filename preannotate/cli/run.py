"""`preannotate run`."""

import argparse

from preannotate.cli.arguments import add_login, add_notify, add_pull_rules, add_sources, add_workspace, login_of
from preannotate.cli.command import Command
from preannotate.registry.deployment import DEPLOYMENTS


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    # What is not given is None, so that it can come from what an earlier `run` of this model was given.
    add_sources(parser)
    add = parser.add_argument
    add("--name", help="name of the model and its function (default: made from the task's or project's name)")
    add_workspace(parser)
    add("--model", metavar="M", help="as in `train` (default: ssd-mobilenet-v2)")
    add("--arguments", metavar="A=1,B=2", help="as in `train`")
    add("--base-model", metavar="M", help="as in `train`; previous: the latest finished version of this model "
        "(default: imagenet)")  # fmt: skip
    add("--deploy", choices=(*DEPLOYMENTS, "none"), help="how CVAT gets the function (default: serve)")
    add_pull_rules(parser, default=None)
    add("--annotate-rest", action="store_true", default=None, help="annotate the frames without annotations at the end")
    add("--only-if-better", action="store_true", default=None, help="publish only what scores better than the "
        "published version")  # fmt: skip
    add("--kubernetes", metavar="image=I,claim=C", help="train in Kubernetes, as in `train`; the workspace is on the "
        "volume, which is mounted at the same path here")  # fmt: skip
    add("--restart", action="store_true", help="train again although nothing changed")
    add_notify(parser)
    add("--wait", type=float, metavar="SECONDS", default=60.0, help="how long to wait until CVAT lists the function "
        "(default: 60)")  # fmt: skip
    add_login(parser)


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.pipeline.command import run

    login = login_of(arguments)
    said = {
        "cvat": login.url,
        "tasks": arguments.task,
        "projects": arguments.project,
        "jobs": arguments.job,
        "user": login.user,
        "profile": login.profile,
        "organization": login.organization,
        "insecure": login.insecure or None,
        **{
            key: getattr(arguments, key)
            for key in (
                *("model", "arguments", "base_model", "deploy", "completed_jobs", "include_auto", "accept_completed"),
                *("annotate_rest", "only_if_better", "kubernetes"),
            )
        },
    }
    folder = arguments.workspace

    def command() -> int:
        return run(folder, arguments.name, said, restart=arguments.restart, seconds=arguments.wait)

    if not arguments.notify:
        return command()
    from preannotate.pipeline.notified_run import run as told
    from preannotate.registry.workspace import Workspace

    return told(command, Workspace(folder), arguments.name)


COMMAND = Command("run", "train a model from CVAT tasks and publish it", _add_arguments, _run)
