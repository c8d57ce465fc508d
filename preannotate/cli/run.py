"""`preannotate run`."""

import argparse
from dataclasses import replace
from typing import Any

from preannotate.cli.arguments import (
    add_deploy_arguments,
    add_login,
    add_notify,
    add_pull_rules,
    add_sources,
    add_workspace,
)
from preannotate.cli.command import Command
from preannotate.registry.publication import Deploy


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    # What is not given is None, so that it can come from what an earlier `run` of this model was given.
    add_sources(parser)
    add = parser.add_argument
    add("--name", help="name of the model and its function (default: made from the task's or project's name)")
    add_workspace(parser)
    add("--model", metavar="M", help="as in `train` (default: auto)")
    add("--arguments", metavar="A=1,B=2", help="as in `train`")
    add("--base-model", metavar="M", help="as in `train`; previous: the latest finished version of this model "
        "(default: auto)")  # fmt: skip
    add("--self-training", action="store_true", default=None, help="go on with frames without annotations after the "
        "training; kept unless validation mAP falls by it")  # fmt: skip
    add("--deploy", choices=tuple(map(str, Deploy)), help="how CVAT gets the function (default: serve)")
    add_deploy_arguments(parser, default=None)
    add_pull_rules(parser, default=None)
    add("--annotate-rest", action="store_true", default=None, help="annotate the frames without annotations at the end")
    add("--only-if-better", action="store_true", default=None, help="publish only what scores better than the "
        "published version")  # fmt: skip
    add("--kubernetes", metavar="image=I,claim=C", help="train in Kubernetes, as in `train`; the workspace is on the "
        "volume, which is mounted at the same path here")  # fmt: skip
    add("--restart", action="store_true", default=None, help="train again although nothing changed")
    add_notify(parser)
    add("--wait", type=float, metavar="SECONDS", help="how long to wait until CVAT lists the function (default: 60)")
    add_login(parser)


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.jobs.run_command import run
    from preannotate.pipeline.run_request import RunRequest, read_run_request
    from preannotate.registry.workspace import Workspace

    given = {field: value for field, value in _fields(arguments).items() if value not in (None, ())}
    request = RunRequest(**given)
    kept = None
    if not request.names_frames and request.name is not None:
        kept = read_run_request(Workspace(arguments.workspace).model(request.name).run_request)
    if kept is not None:  # a command line that names no frames repeats the last run, with what it changes
        if given.get("deploy", Deploy.NUCTL) != Deploy.NUCTL:
            given.setdefault("deploy_arguments", "")  # those of the last run are nuctl's
        request = replace(kept, **given)
    return run(arguments.workspace, request, repeats=kept is not None, notify=arguments.notify)


def _fields(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a `RunRequest`; None and () were not given."""
    return {
        "name": arguments.name,
        "tasks": tuple(arguments.task),
        "projects": tuple(arguments.project),
        "jobs": tuple(arguments.job),
        "completed_jobs": arguments.completed_jobs,
        "include_auto": arguments.include_auto,
        "accept_completed": arguments.accept_completed,
        "model": arguments.model,
        "arguments": arguments.arguments,
        "base_model": arguments.base_model,
        "self_training": arguments.self_training,
        "deploy": None if arguments.deploy is None else Deploy(arguments.deploy),
        "deploy_arguments": arguments.deploy_arguments,
        "annotate_rest": arguments.annotate_rest,
        "only_if_better": arguments.only_if_better,
        "kubernetes": arguments.kubernetes,
        "restart": arguments.restart,
        "wait_seconds": arguments.wait,
        "cvat": arguments.cvat,
        "user": arguments.auth,
        "profile": arguments.profile,
        "organization": arguments.organization,
        "insecure": arguments.insecure or None,
    }


COMMAND = Command("run", "train a model from CVAT tasks and publish it", _add_arguments, _run)
