"""The message at the end of a run: the same words from `preannotate run`, `watch` and the web interface."""

import contextlib

from preannotate.core.child_process import CHECK_FAILED
from preannotate.core.errors import FileError, PreannotateError
from preannotate.core.files import read_json
from preannotate.core.progress import Progress, State, read_progress
from preannotate.core.text import first_of, format_duration, format_score, format_scores
from preannotate.jobs.queue import PROGRESS, Run
from preannotate.jobs.task_request import RunKind, TaskRequest
from preannotate.notifications.message import Message, failure_message, validation_picture
from preannotate.pipeline.run_request import read_run_request
from preannotate.registry.publication import history, published_version
from preannotate.registry.workspace import ModelFolder, VersionFolder, Workspace

_MAX_LABELS = 20
_UNKNOWN = "unknown"
_TASK_DONE = {
    RunKind.ANNOTATE: "The frames without annotations have boxes now.",
    RunKind.REVIEW: "The list of disagreements is ready.",
    RunKind.RANK: "The list of what to annotate next is ready.",
}


def run_message(run: Run, workspace: Workspace, link: str = "") -> Message:
    """Return the message about a run that has just ended; `link` is the page of the run, or CVAT's Models page."""
    name = run.model_name
    if isinstance(run.request, TaskRequest):
        if run.state == State.DONE:
            return Message(f"{name}: {run.kind} of task {run.request.task} is done", _TASK_DONE[run.kind], link)
    else:
        try:
            if message := _version_message(run, workspace.model(name), link):
                return message
        except PreannotateError as damage:  # a file that cannot be read is one more reason to send a message
            return failure_message(name, str(damage), link=link)
    if run.state == State.STOPPED:
        return Message(f"{name}: the run was stopped", "The same command, or Resume on its page, continues it.", link)
    if run.state == State.DONE:
        return Message(f"{name}: the run is done", "It created no new version.", link)
    reason = run.error or f"The run ended with exit code {run.exit_code}."
    return failure_message(name, reason, link=link)


def models_page(model: ModelFolder) -> str:
    """Return the address of the page of CVAT that lists the model; "" if it is not known."""
    try:
        request = read_run_request(model.run_request)
    except PreannotateError:
        return ""
    return f"{request.cvat.rstrip('/')}/models" if request is not None and request.cvat else ""


def _version_message(run: Run, model: ModelFolder, link: str) -> Message | None:
    """Return the message about the version that a run has finished; None if there is none."""
    progress = read_progress(run.folder / PROGRESS)
    if progress is None or progress.version is None or progress.error:
        return None
    version = model.version(progress.version)
    if not version.complete or run.exit_code not in (None, 0, CHECK_FAILED) or run.state == State.STOPPED:
        return None
    if run.exit_code == CHECK_FAILED:
        return None if published_version(model) == version.number else _not_published(model, version, progress, link)
    return _ready(model, version, link) if run.state == State.DONE else None


def _ready(model: ModelFolder, version: VersionFolder, link: str) -> Message:
    facts = _facts(version)
    title = f"{model.name}: version {version.number} is ready, {format_scores(*version.scores())}"
    if published_version(model) == version.number:
        facts |= _score_before(model, version)
        text = f"Version {version.number} is published: CVAT lists it on its Models page."
    else:
        command = f"preannotate publish {model.name} {version.number}"
        text = f"Version {version.number} is finished and not published. `{command}` publishes it."
    return Message(title, text, link, facts, validation_picture(version.run))


def _not_published(model: ModelFolder, version: VersionFolder, progress: Progress, link: str) -> Message:
    """It is not better than the published one, or was withdrawn: the run has recorded which."""
    facts = _facts(version)
    stage = progress.stage("publish")
    reason = (stage.detail if stage is not None else "") or f"version {version.number} is not better."
    now = published_version(model)
    stays = "No version is published." if now is None else f"Version {now} stays published."
    title = f"{model.name}: version {version.number} is not published, {format_scores(*version.scores())}"
    facts |= _score_before(model, version)
    return Message(title, f"{reason[0].upper()}{reason[1:]}\n\n{stays}", link, facts, validation_picture(version.run))


def _facts(version: VersionFolder) -> dict[str, str]:
    record = version.record()
    images = version.images()
    map50, mean_ap = version.scores()
    facts = {
        "mAP50": format_score(map50),
        "mAP": format_score(mean_ap),
        **_of_masks(version),
        "model": str(record.get("model") or _UNKNOWN),
        "labels": first_of([str(label) for label in record.get("labels") or []], _MAX_LABELS),
        "images": f"{images.get('train', _UNKNOWN)} for training, {images.get('validation', _UNKNOWN)} for validation",
    }
    with contextlib.suppress(FileError, KeyError, TypeError, ValueError):
        facts["training took"] = format_duration((read_json(version.run / "summary.json") or {})["seconds"])
    return facts


def _of_masks(version: VersionFolder) -> dict[str, str]:
    map50, mean_ap = version.mask_scores()
    return {} if map50 is None else {"mask mAP50": format_score(map50), "mask mAP": format_score(mean_ap)}


def _score_before(model: ModelFolder, version: VersionFolder) -> dict[str, str]:
    """The scores of the version that was published before this one, or is published in its place."""
    earlier = [entry.version for entry in history(model) if entry.version not in (None, version.number)]
    if not earlier or earlier[-1] is None:
        return {}
    map50, mean_ap = model.version(earlier[-1]).scores()
    return {
        f"mAP50 of version {earlier[-1]}": format_score(map50),
        f"mAP of version {earlier[-1]}": format_score(mean_ap),
    }
