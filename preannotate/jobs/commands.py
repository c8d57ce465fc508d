"""From an order to the command line of its run, which has no secret in it.

`OPTIONS` says what `Order.options` may hold for each kind; whatever else is in it is refused.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from builder.function_yaml import check_name
from preannotate.jobs.queue import ANNOTATE, KINDS, RANK, REVIEW, TRAIN, Order
from preannotate.registry import publication
from preannotate.registry.workspace import VersionFolder, Workspace
from preannotate.studio.errors import StudioError
from preannotate.studio.families import families
from preannotate.studio.machines import KUBERNETES
from trainer.arguments.sources import parse_arguments

OPTIONS: dict[str, dict[str, type]] = {
    TRAIN: {
        "completed_jobs": bool,  # only frames of completed jobs
        "include_auto": bool,  # also what a model drew and nobody changed
        "accept_completed": bool,  # which counts as checked where the job is completed
        "only_if_better": bool,  # publish only what beats the published version
        "restart": bool,  # do everything again
    },
    ANNOTATE: {
        "version": int,  # of the model; without it the published one
        "threshold": float,
        "confidence_attribute": str,
        "annotated_frames": bool,  # add boxes to annotated frames, too
    },
    REVIEW: {
        "version": int,
        "top": int,  # how many go on the page and become issues
        "completed_jobs": bool,
        "issues": bool,  # also make issues in CVAT
    },
    RANK: {
        "version": int,
        "top": int,
        "create_task": str,  # name of a new task of the chosen frames
    },
}
DEPLOY = ("serve", "nuctl", "none")
_NAMES = {bool: "truth value", int: "whole number", float: "number", str: "text that does not begin with '-'"}
_MACHINE = re.compile(r"cpu|gpu:[0-9]{1,3}|kubernetes")
_LONGEST_TEXT = 4000
# A review or a ranking writes into the folder of its run, which is its working directory.
_OUTPUT = "."


def check(order: Order, workspace: Workspace, kubernetes: str) -> None:
    """Refuse an order that can never run.

    Args:
        order: From somebody.
        workspace: Where its model is.
        kubernetes: Of the settings.

    Raises:
        StudioError: In one sentence.
        TrainingError: Its arguments cannot be.
        BuildError: Its name cannot be.
        WorkspaceError: It needs a model that is not there.
    """
    if order.kind not in KINDS:
        raise StudioError(f"order: kind {order.kind!r}; expected one of: {', '.join(KINDS)}.")
    check_name(order.name)
    if not _MACHINE.fullmatch(order.machine):
        raise StudioError(f"order: machine {order.machine!r}; expected cpu, or a GPU such as gpu:0.")
    if order.machine == KUBERNETES and (order.kind != TRAIN or not kubernetes):
        what = "is not configured" if order.kind == TRAIN else f"cannot {order.kind}"
        raise StudioError(f"order: machine {order.machine!r} {what}; expected another. Choose this machine.")
    for number in (*order.tasks, *order.projects, *order.jobs):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise StudioError(f"order: number {number!r} of a task, project or job; expected a whole one from 1 on.")
    _check_options(order)
    if order.kind == TRAIN:
        _check_training(order)
        return
    if len(order.tasks) != 1 or order.projects or order.jobs:
        raise StudioError(f"order: {order.kind} without a single task; expected exactly one. Choose it.")
    function(order, workspace)


def arguments(order: Order, workspace: Workspace, login: Sequence[str], kubernetes: str = "") -> list[str]:
    """What follows `preannotate`.

    Args:
        order: Checked.
        workspace: Where the model is; its path is absolute.
        login: Options that say where CVAT is and who logs in.
        kubernetes: Of the settings.

    Raises:
        WorkspaceError: The model is not there any more.
        StudioError: It is not published any more.
    """
    if order.kind == TRAIN:
        place = [f"--kubernetes={kubernetes}"] if order.machine == KUBERNETES else []
        return [*_training(order, workspace), *place, *login]
    (task,) = order.tasks
    version = function(order, workspace)
    command = [order.kind, str(version.function), "--task", str(task), *login]
    if order.kind in (REVIEW, RANK):
        command += ["--output", _OUTPUT]
    if order.kind == REVIEW and version.run.is_dir():
        command += ["--run", str(version.run)]
    for name in OPTIONS[order.kind]:
        if name != "version":
            command += _option(name, order.options.get(name))
    return command


def function(order: Order, workspace: Workspace) -> VersionFolder:
    """The version whose function an order is about.

    Raises:
        WorkspaceError: There is no such model.
        StudioError: Nor such a version; or it is not published, and no version is named.
    """
    model = workspace.existing(order.name)
    number = order.options.get("version") or getattr(publication.published(model), "version", None)
    if number is None:
        raise StudioError(f"model {order.name!r}: is not published; expected a version. Publish one, or choose one.")
    version = model.version(number)
    if not version.complete:
        raise StudioError(f"model {order.name!r}: no finished version {number}; expected one. Choose another.")
    return version


def _check_training(order: Order) -> None:
    if not (order.tasks or order.projects or order.jobs):
        raise StudioError("order: nothing to learn from; expected at least one task, project or job. Choose one.")
    if order.model != "auto" and order.model not in families():
        raise StudioError(f"order: model {order.model!r}; expected auto or one of: {', '.join(families())}.")
    if order.deploy not in DEPLOY:
        raise StudioError(f"order: deploy {order.deploy!r}; expected one of: {', '.join(DEPLOY)}.")
    if order.base_model.startswith("-") or not order.base_model.isprintable() or not order.base_model:
        raise StudioError(f"order: base model {order.base_model!r}; expected imagenet, none, previous or a path.")
    parse_arguments(order.arguments)


def _check_options(order: Order) -> None:
    known = OPTIONS[order.kind]
    for name, value in order.options.items():
        if name not in known:
            raise StudioError(f"order: option {name!r} of {order.kind}; expected one of: {', '.join(known)}.")
        wanted = (int, float) if known[name] is float else known[name]
        good = isinstance(value, wanted) and (known[name] is bool or not isinstance(value, bool))
        if isinstance(value, str):
            good = good and not value.startswith("-") and value.isprintable() and len(value) <= _LONGEST_TEXT
        if not good:
            raise StudioError(f"order: option {name}={value!r} of {order.kind}; expected a {_NAMES[known[name]]}.")


def _training(order: Order, workspace: Workspace) -> list[str]:
    command = ["run", "--workspace", str(workspace.path), "--name", order.name]
    for option, numbers in (("--task", order.tasks), ("--project", order.projects), ("--job", order.jobs)):
        for number in numbers:
            command += [option, str(number)]
    command += ["--model", order.model, "--base-model", order.base_model, "--deploy", order.deploy]
    if order.arguments.strip():
        command += [f"--arguments={order.arguments}"]
    if order.annotate_rest:
        command.append("--annotate-rest")
    flags: Mapping[str, Any] = {name: order.options.get(name) for name in OPTIONS[TRAIN]}
    for name, value in flags.items():
        command += _option(name, value)
    return command


def _option(name: str, value: Any) -> list[str]:
    if value is None or value is False or value == "":
        return []
    option = f"--{name.replace('_', '-')}"
    return [option] if value is True else [option, str(value)]
