"""Tasks, jobs and labels as they are needed here, read from CVAT's JSON.

Frames have two numbers: the *relative* one, 0, 1, 2, …, in annotations and requests, and the *absolute* one
of the uploaded file or video, which `start` and `step` of the task lead to. All numbers here are relative,
but for names of video frames.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from preannotate.cvat.errors import CvatError
from preannotate.cvat.server import Json, Server
from preannotate.formats.cvat_xml import BOXLESS_LABEL_TYPES, CvatLabel

ANNOTATION, GROUND_TRUTH = "annotation", "ground_truth"
COMPLETED = "completed"
# Types of labels whose shapes are no boxes and become none; an interval is a part of a sound.
BOXLESS = (*BOXLESS_LABEL_TYPES, "interval")
_VIDEO = "interpolation"
# Of all jobs together, which may overlap.
_MAX_FRAMES_OF_JOBS = 20_000_000
_DEFAULT_COLOR = "#000000"


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes:
        type: `ANNOTATION`, `GROUND_TRUTH`, or "replica" (a vote that a consensus is made of).
        state: "new", "in progress", `COMPLETED` or "rejected".
        stage: "annotation", "validation" or "acceptance".
        updated: When it or its annotations changed last, as the server writes it.
        frames: Without deleted ones.
        stop: Last frame of its range, deleted or not.
    """

    id: int
    task_id: int
    type: str
    state: str
    stage: str
    updated: str
    frames: tuple[int, ...]
    stop: int

    @property
    def completed(self) -> bool:
        """Whether somebody set its state to completed."""
        return self.state == COMPLETED


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        video: Its frames are those of a video.
        size: Number of frames, deleted ones included.
        updated: When it changed last, as the server writes it.
        data: Changes if the images of its frames are replaced; "" on servers without that.
        start: Absolute number of frame 0.
        step: Between the absolute numbers of two frames.
        names: Of the images; of a video none.
        sizes: (width, height) of each image; of a video only one.
        labels: By id, which is the task's order; parts of skeletons are left out.
        real_frames: Honeypot to the frame that it repeats.
    """

    id: int
    name: str
    video: bool
    size: int
    updated: str
    data: str
    start: int
    step: int
    names: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    deleted: frozenset[int]
    labels: Mapping[int, CvatLabel]
    jobs: tuple[Job, ...]
    real_frames: Mapping[int, int] = field(default_factory=dict)

    def image_size(self, frame: int) -> tuple[int, int]:
        """(width, height) that the annotations of a frame refer to."""
        return self.sizes[0] if self.video else self.sizes[frame]


def has_boxes(label: CvatLabel) -> bool:
    """Return whether shapes of this label are boxes or can become boxes."""
    return label.type not in BOXLESS


def why_unusable(task: Json) -> str:
    """Return why a task has no images; "" if it has."""
    if (task.get("dimension") or "2d") != "2d":
        return "is three-dimensional"
    if "audio" in (task.get("media_type") or ""):  # came with 2.7x
        return "is a sound"
    return "" if task.get("size") else "has no frames"


def read_usable_task(server: Server, number: int) -> Task:
    """Read a task by its number; raises CvatError if it has no images, or as `read_task`."""
    content = server.task(number)
    if problem := why_unusable(content):
        raise CvatError(f"task {number}: {problem}; expected images or a video. Name another.")
    return read_task(server, content)


def read_task(server: Server, content: Json, *, only_jobs: frozenset[int] | None = None) -> Task:
    """Read a task, whose JSON is `content`, with its labels and jobs; `only_jobs` are their numbers, None is all.

    Raises:
        CvatError: The server refuses something, or answers in an unknown form.
    """
    number = content["id"]
    meta = server.frames_of_task(number)
    jobs = server.jobs_of_task(number)
    labels = server.labels_of_task(number)
    # 2.15 has neither the page nor the mode.
    honeypots = server.validation_of_task(number) if content.get("validation_mode") == "gt_pool" else {}
    _check_frames(server, content, meta, jobs)
    video = content.get("mode") == _VIDEO
    with server.parsing_response(f"task {number}"):
        start, step = meta["start_frame"], _step(meta.get("frame_filter") or "")
        deleted = frozenset(meta["deleted_frames"])
        frames = meta["frames"]
        return Task(
            id=number,
            name=content["name"],
            video=video,
            size=meta["size"],
            updated=content["updated_date"],
            data=str(meta.get("chunks_updated_date") or ""),
            start=start,
            step=step,
            names=() if video else tuple(frame["name"] for frame in frames),
            sizes=tuple((frame["width"], frame["height"]) for frame in frames),
            deleted=deleted,
            labels={
                label["id"]: CvatLabel(
                    label["name"].strip(), label.get("color") or _DEFAULT_COLOR, label.get("type") or "any"
                )
                for label in labels
                if label.get("parent_id") is None
            },
            jobs=tuple(
                _job(server, job, deleted=deleted, start=start, step=step)
                for job in jobs
                if only_jobs is None or job["id"] in only_jobs
            ),
            real_frames=dict(
                zip(honeypots.get("honeypot_frames", ()), honeypots.get("honeypot_real_frames", ()), strict=True)
            ),
        )


def _check_frames(server: Server, content: Json, meta: Json, jobs: Sequence[Json]) -> None:
    """Refuse frames that a task does not have: what has images would otherwise be looked for in vain, or for ever."""
    where, size = f"{server.url}: task {content['id']}", meta["size"]
    video = content.get("mode") == _VIDEO
    if not video and size > len(meta["frames"]):
        raise CvatError(f"{where}: {size} frames, of which {len(meta['frames'])} have a name; expected a name of each.")
    if video and not meta["frames"]:
        raise CvatError(f"{where}: a video without the size of its frames; expected it. Check the task in CVAT.")
    if sum(job["stop_frame"] - job["start_frame"] for job in jobs) > _MAX_FRAMES_OF_JOBS:
        raise CvatError(f"{where}: its jobs have more than {_MAX_FRAMES_OF_JOBS} frames; expected at most that.")
    for job in jobs:
        if not job["start_frame"] <= job["stop_frame"] < size:
            raise CvatError(
                f"{where}: job {job['id']} has the frames {job['start_frame']} to {job['stop_frame']}; expected frames "
                f"of the task, which has {size}. Check the task in CVAT."
            )


def _job(server: Server, content: Json, *, deleted: frozenset[int], start: int, step: int) -> Job:
    kind = content.get("type") or ANNOTATION
    frames: Iterable[int] = range(content["start_frame"], content["stop_frame"] + 1)
    if kind == GROUND_TRUTH:
        meta = server.frames_of_job(content["id"])
        deleted = deleted | frozenset(meta["deleted_frames"])  # here also those that a person took out of validation
        if (included := meta.get("included_frames")) is not None:
            frames = [(absolute - start) // step for absolute in included]
    return Job(
        id=content["id"],
        task_id=content["task_id"],
        type=kind,
        state=content["state"],
        stage=content["stage"],
        updated=content["updated_date"],
        frames=tuple(frame for frame in frames if frame not in deleted),
        stop=content["stop_frame"],
    )


def _step(frame_filter: str) -> int:
    """The step of "step=3"; CVAT knows no other filter."""
    key, _, value = frame_filter.partition("=")
    return max(1, int(value)) if key.strip() == "step" else 1
