"""The stage `verify`: CVAT lists the function, and returns the same boxes as the published directory.

Both are run on one frame of the task on which the directory finds something, at a lower threshold if necessary: two
models that find nothing cannot be told apart. `preannotate serve` takes a few seconds to see and load a new version, so
both requests are repeated for a while.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from builder.function_directory import FunctionDirectory
from builder.variants import VARIANTS
from evaluation.polygon_filling import polygon_mask
from preannotate.core.drafts import working_directory
from preannotate.core.text import plural
from preannotate.cvat.errors import CvatError
from preannotate.cvat.functions import DETECTOR, FoundShape, Functions, ListedFunction, label_mapping
from preannotate.cvat.images import WantedImage, download_images, find_downloaded
from preannotate.cvat.server import Server
from preannotate.cvat.tasks import Task, read_task
from preannotate.cvat.upload import match_labels
from preannotate.inference.function_process import FunctionProcess
from preannotate.inference.images import ImageFile, UnreadableImage
from preannotate.pipeline.errors import PipelineError
from runtime.boxes import iou
from runtime.detector import Detection
from runtime.manifest import MASK, RECTANGLE
from runtime.masks import InstanceMask, intersection
from runtime.polygons import polygon

POLL_SECONDS = 1.0
# Frames on which the function is run until it finds something; spread over the task.
FRAMES = 8
# The GPU variant rounds otherwise than the CPU variant does, and CVAT keeps two decimals.
_MIN_IOU = 0.95
# A mask has fewer pixels than its box, and they turn at a border; of a tiny one a few are many.
_MIN_MASK_IOU, _FEW_PIXELS = 0.9, 4
# Of CVAT and `serve` while something starts.
_STARTING = (408, 500, 502, 503, 504)
# Where nothing reaches the function's own thresholds: the lowest threshold, and how many of the best boxes count.
_LOW_THRESHOLD, _BEST = 0.01, 6
_Response = TypeVar("_Response")
_SERVE_HINT = (
    "Is `preannotate serve {functions}` running where CVAT looks for nuclio (CVAT_SERVERLESS=1, CVAT_NUCLIO_HOST and "
    "CVAT_NUCLIO_PORT of cvat_server and cvat_worker_annotation)? A nuclio of its own needs the function in project "
    "cvat."
)


@dataclass(frozen=True)
class Verification:
    """What CVAT lists and returns.

    Attributes:
        function: Id under which CVAT lists it.
        frame: Of the task, on which it was called; None if the task accepts none of its labels.
        boxes: How many it returned.
        notes: Whole sentences about labels of the function that the task does not have.
    """

    function: str
    task: int
    frame: int | None
    boxes: int
    notes: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.frame is None:
            return f"CVAT lists {self.function}; not called, because task {self.task} accepts none of its labels"
        count = plural(self.boxes, "box", "boxes")
        return f"CVAT lists {self.function}; on frame {self.frame} of task {self.task} it returns {count}, as expected"


@dataclass(frozen=True)
class _Expected:
    """Detections of the directory on a frame; `threshold` None is its own."""

    frame: int
    detections: tuple[Detection, ...]
    threshold: float | None = None


class Verifier:
    """Verifies one published function (`directory` is WORKSPACE/functions/NAME) on one server.

    `seconds` is how long CVAT may need to list and load it; `detail` gets a line about what is waited for.
    """

    def __init__(
        self, server: Server, functions: Functions, directory: Path, *, seconds: float, detail: Callable[[str], object]
    ) -> None:
        self._server, self._functions = server, functions
        self._directory, self._name = directory, directory.name
        self._seconds, self._detail = seconds, detail

    def verify(self, task: int) -> Verification:
        """Wait until CVAT lists the function and returns the same boxes as the directory on a frame of a task.

        Raises:
            CvatError: CVAT has no list of functions, refuses, or does not list the function in time.
            PipelineError: CVAT lists or runs another model of that name.
        """
        until = time.monotonic() + self._seconds
        self._check_plugin()
        listed = self.listed(until)
        labels = self._server.labels_of_task(task)
        try:
            targets, notes = match_labels(task, labels, listed.labels, None)
        except CvatError as error:  # annotated with polygons, for example: other tasks may take boxes
            return Verification(listed.id, task, None, 0, (str(error),))
        expected = self._expected(read_task(self._server, self._server.task(task)), targets)
        frame, threshold = expected.frame, expected.threshold
        names = {label["id"]: label["name"].strip() for label in labels}
        chosen = label_mapping(labels, list(targets))
        while True:
            found = self._with_retries(
                until, lambda: self._functions.call(listed.id, task, frame, chosen, names, threshold)
            )
            if boxes_match(expected.detections, found):
                return Verification(listed.id, task, frame, len(found), tuple(notes))
            self._wait(until, f"CVAT still runs another model as {listed.id}", self._other(listed, frame, task))

    def listed(self, until: float | None = None) -> ListedFunction:
        """Return the function in CVAT's list, with the labels that it has on disk; `until` is on the monotonic clock.

        Raises:
            CvatError: It is not listed in time.
            PipelineError: It is listed with another type or other labels.
        """
        until = time.monotonic() + self._seconds if until is None else until
        expected = FunctionDirectory.open(self._directory).labels
        ids = [f"{self._name}{variant.suffix}" for variant in VARIANTS.values()]
        while True:
            listed = self._with_retries(until, self._functions.listed)
            found = next((listed[one] for one in ids if one in listed), None)
            if found is not None and found.kind == DETECTOR and set(found.labels) == set(expected):
                return found
            error = self._not_listed(listed) if found is None else self._other_kind(found, expected)
            self._wait(until, f"CVAT does not list {self._name} yet", error)

    def _check_plugin(self) -> None:
        if not self._functions.switched_on():
            raise CvatError(
                f"{self._server.url}: its serverless functions are switched off, so it has no Models page; expected "
                f"CVAT_SERVERLESS=1. Set it for cvat_server, with CVAT_NUCLIO_HOST and CVAT_NUCLIO_PORT, and restart "
                f"CVAT; the function stays published, and the same command continues."
            )

    def _with_retries(self, until: float, request: Callable[[], _Response]) -> _Response:
        """Return what `request` returns, repeated while CVAT does not reach `serve` or the model is being loaded."""
        while True:
            try:
                return request()
            except CvatError as error:
                if error.status not in _STARTING:
                    raise
                self._wait(until, f"CVAT responds with {error.status}", error)

    def _wait(self, until: float, what: str, error: Exception) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise error
        self._detail(f"{what}; waiting up to {left:.0f} s")
        time.sleep(min(POLL_SECONDS, left))

    def _expected(self, task: Task, labels: Collection[str]) -> _Expected:
        """Return what the directory finds on the first frame with boxes, else on one frame at a lower threshold."""
        frames = sorted({frame for job in task.jobs for frame in job.frames})
        spread = [frames[len(frames) * i // FRAMES] for i in range(FRAMES)] if len(frames) > FRAMES else frames
        first: tuple[int, ImageFile] | None = None
        with (
            working_directory() as folder,
            FunctionProcess(self._directory / "nuclio") as process,
        ):
            for frame in spread:
                wanted = WantedImage(task.id, frame, Path(folder) / f"frame-{frame}")
                download_images(self._server, [wanted], lambda: None)
                if (path := find_downloaded(wanted)) is None:
                    continue
                image = ImageFile(path, str(frame))
                found = _detect(process, image, None, labels)
                if found:
                    return _Expected(frame, tuple(found))
                if found is not None:
                    first = first or (frame, image)
            if first is None:
                raise PipelineError(
                    f"task {task.id}: none of {len(spread)} frames can be read; expected images. Check them in CVAT."
                )
            return _at_lower_threshold(first[0], _detect(process, first[1], _LOW_THRESHOLD, labels) or [])

    def _not_listed(self, listed: Collection[str]) -> CvatError:
        names = ", ".join(sorted(listed)) or "none"
        return CvatError(
            f"{self._server.url}: {self._name} is not listed after {self._seconds:g} s; expected it "
            f"among the functions (listed: {names}). {_SERVE_HINT.format(functions=self._directory.parent)} "
            f"The function stays published; the same command verifies again."
        )

    def _other_kind(self, found: ListedFunction, expected: Sequence[str]) -> PipelineError:
        return PipelineError(
            f"{self._server.url}: {found.id} is a {found.kind} with the labels {', '.join(found.labels) or 'none'} "
            f"after {self._seconds:g} s; expected a {DETECTOR} with {', '.join(expected)}. Another function has "
            f"that name: give the model another name, or remove that function."
        )

    def _other(self, listed: ListedFunction, frame: int, task: int) -> PipelineError:
        return PipelineError(
            f"{self._server.url}: {listed.id} returns other boxes on frame {frame} of task {task} than "
            f"{self._directory}, after {self._seconds:g} s; expected the same: CVAT runs another model. "
            f"Check which folder `preannotate serve` watches, or deploy again."
        )


def _detect(
    process: FunctionProcess, image: ImageFile, threshold: float | None, labels: Collection[str]
) -> list[Detection] | None:
    """Return the detections with one of the labels; None if the image cannot be read."""
    result = process.detect(image, threshold)
    if isinstance(result, UnreadableImage):
        return None
    return [detection for detection in result.detections if detection.label in labels]


def _at_lower_threshold(frame: int, found: Sequence[Detection]) -> _Expected:
    """Return the best few boxes, with the threshold in the widest gap below one: there rounding changes nothing."""
    if not found:
        return _Expected(frame, ())
    scores = [*sorted((one.score for one in found), reverse=True)[:_BEST], _LOW_THRESHOLD]
    gap = max(range(len(scores) - 1), key=lambda i: scores[i] - scores[i + 1])
    threshold = (scores[gap] + scores[gap + 1]) / 2
    return _Expected(frame, tuple(one for one in found if one.score >= threshold), threshold)


def boxes_match(expected: Sequence[Detection], found: Sequence[FoundShape]) -> bool:
    """Return whether each detection has a shape of the same label at its place, and none is left over."""
    left = list(found)
    for detection in expected:
        partner = next((shape for shape in left if _fits(detection, shape)), None)
        if partner is None:
            return False
        left.remove(partner)
    return not left


def _fits(detection: Detection, shape: FoundShape) -> bool:
    if detection.label != shape.label:
        return False
    if shape.type == RECTANGLE or detection.mask is None:
        box, found = (np.array([one.box], np.float32) for one in (detection, shape))
        return bool(iou(box, found)[0, 0] >= _MIN_IOU)
    expected: InstanceMask | None = detection.mask
    around = detection.mask.box
    if shape.type != MASK:
        points = polygon(detection.mask)
        expected, around = polygon_mask(points), (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
    # Of a thin polygon no centre of a pixel may be inside.
    areas = [0 if mask is None else mask.area for mask in (expected, shape.mask)]
    common = 0 if expected is None or shape.mask is None else intersection(expected, shape.mask)
    either = sum(areas) - common
    if 0 < either * _MIN_MASK_IOU <= common:
        return True
    return either - common <= _FEW_PIXELS and np.allclose(around, shape.box, rtol=0, atol=_FEW_PIXELS)
