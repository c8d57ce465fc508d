"""Running a function on frames of a CVAT task: several at a time, the next ones downloaded meanwhile, none twice.

Detections are kept down to a low score, because uncertainty and mistakes are below the thresholds. They are kept on
disk with everything that they depend on: the images of the task and the files of the function.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from builder.function_directory import FunctionDirectory
from preannotate.active_learning.ranking.diversity import describe
from preannotate.core.progress import ProgressBar
from preannotate.cvat.errors import CvatError
from preannotate.cvat.images import download_in_batches
from preannotate.cvat.server import Server
from preannotate.cvat.tasks import Task, has_boxes
from preannotate.inference.function_process import FunctionPool, processes_for
from preannotate.inference.images import ImageDetections, ImageFile, UnreadableImage
from runtime.detector import Detection
from runtime.errors import RequestError
from runtime.image_file import read_image_file
from runtime.masks import InstanceMask

# A tenth of a usual threshold: below it there are hundreds of meaningless boxes per image.
MIN_SCORE = 0.05
# Of a detection's threshold: what is less likely is compared by its box, for masks are long.
_MASKS_FROM = 0.5
# In the folder of the results.
CACHE_FOLDER = ".cache"


@dataclass(frozen=True)
class FrameDetections:
    """What a function detected on a frame.

    Attributes:
        detections: Down to `MIN_SCORE`, best first, in image pixels; only labels that the task has, too. Masks are kept
            from `_MASKS_FROM` of the threshold on.
        content: SHA-256 of the image file.
        error: Why the image could not be read; None if it could.
    """

    detections: tuple[Detection, ...]
    content: str
    error: str | None = None


class ResultCache:
    """Results of one kind that stay on disk, so that a stopped command continues where it was.

    One line of JSON for each frame, written as soon as it is known. The file is named by a digest of everything that
    its results depend on: other images or another function have another file.

    Attributes:
        entries: Frame (relative number) to its result.
    """

    def __init__(self, output: Path, kind: str, depends_on: object) -> None:
        """Read what earlier commands kept; `depends_on` is JSON, and `kind` begins the name of the file."""
        digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:24]
        self._path = output / CACHE_FOLDER / f"{kind}-{digest}.jsonl"
        self.entries: dict[int, Any] = {}
        self._ends_with_newline = True
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return
        self._ends_with_newline = not lines[-1]
        for line in lines:
            try:
                frame, entry = json.loads(line)
                self.entries[int(frame)] = entry
            except (ValueError, TypeError):  # cut off by a kill
                continue

    def add(self, frame: int, entry: Any) -> None:
        """Keep the result of a frame."""
        self.entries[frame] = entry
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(("" if self._ends_with_newline else "\n") + json.dumps([frame, entry]) + "\n")
        self._ends_with_newline = True


class FrameInference:
    """Runs one function on one task; results stay in a folder."""

    def __init__(
        self, server: Server, task: Task, function: FunctionDirectory, output: Path, *, workers: int | None
    ) -> None:
        """Read what earlier commands kept in `output`; workers None are as many as are worth starting."""
        self._server, self._task, self._function, self._workers = server, task, function, workers
        images = [server.url, task.id, task.data, task.size, task.start, task.step, task.names, task.sizes]
        manifest = function.manifest
        self._thresholds = manifest.postprocess.thresholds
        depends_on = [images, function.fingerprint, MIN_SCORE]
        if manifest.mask_head is not None:  # the types of labels decide which have masks, and are no part of it
            depends_on.append([manifest.label_type(class_id) for class_id in range(len(manifest.labels))])
        self._detections = ResultCache(output, f"detections-{task.id}", depends_on)
        self._descriptors = ResultCache(output, f"descriptors-{task.id}", images)

    def detect(self, frames: Sequence[int], *, describe_too: bool = False) -> dict[int, FrameDetections]:
        """Return the detections of frames, by relative number.

        With `describe_too`, image descriptors are kept, too, so that `descriptors` need not download the images again.

        Raises:
            CvatError: An image cannot be downloaded; what is kept stays.
            InferenceError: The function cannot be loaded, or its process ended.
        """
        missing = [frame for frame in frames if frame not in self._detections.entries]
        if missing:
            make_entry = partial(self._make_entry, describe_too)
            with FunctionPool(self._function.path, self._workers or processes_for(len(missing))) as pool:

                def detect(images: dict[int, Path]) -> Iterator[tuple[int, Any]]:
                    files = [ImageFile(path, str(frame)) for frame, path in images.items()]
                    return zip(images, pool.map(files, MIN_SCORE, make_entry), strict=True)

                for frame, (entry, descriptor) in self._process(missing, detect, "detecting"):
                    if descriptor is not None:
                        self._descriptors.add(frame, descriptor)
                    self._detections.add(frame, entry)
        return {frame: self._read_entry(self._detections.entries[frame]) for frame in frames}

    def descriptors(self, frames: Sequence[int]) -> dict[int, np.ndarray]:
        """Return the image descriptors of frames; those that cannot be read are left out."""
        missing = [frame for frame in frames if frame not in self._descriptors.entries]

        def describe_all(images: dict[int, Path]) -> Iterator[tuple[int, Any]]:
            return ((frame, _rounded_descriptor(path.read_bytes())) for frame, path in images.items())

        for frame, descriptor in self._process(missing, describe_all, "comparing images"):
            self._descriptors.add(frame, descriptor)
        known = {frame: self._descriptors.entries[frame] for frame in frames}
        return {frame: np.array(descriptor, np.float32) for frame, descriptor in known.items() if descriptor}

    def _process(
        self, frames: Sequence[int], work: Callable[[dict[int, Path]], Iterable[tuple[int, Any]]], title: str
    ) -> Iterator[tuple[int, Any]]:
        """Yield frame and result, batch by batch."""
        if not frames:
            return
        batches = download_in_batches(self._server, self._task.id, {None: frames})
        with closing(batches), ProgressBar(len(frames), "frame", title) as bar:
            for _, images in batches:
                for result in work(images):
                    yield result
                    bar.update()

    def _make_entry(self, describe_too: bool, image: ImageFile, result: ImageDetections | UnreadableImage) -> Any:
        """Return what is kept of a result and of the image; called in the thread that got the result."""
        data = read_image_file(image.path)
        wanted = describe_too and int(image.name) not in self._descriptors.entries
        descriptor = _rounded_descriptor(data) if wanted else None
        content = hashlib.sha256(data).hexdigest()
        if isinstance(result, UnreadableImage):
            return {"content": content, "error": result.error}, descriptor
        rows = [
            [one.class_id, round(one.score, 5), *(round(value, 2) for value in one.box), *self._kept_mask(one)]
            for one in result.detections
        ]
        return {"content": content, "detections": rows}, descriptor

    def _kept_mask(self, detection: Detection) -> list[Any]:
        """Return the mask as the last part of a row; nothing if there is none or the score is low."""
        if detection.mask is None or detection.score < _MASKS_FROM * self._thresholds[detection.class_id]:
            return []
        return [detection.mask.to_json()]

    def _read_entry(self, entry: dict[str, Any]) -> FrameDetections:
        known = {label.name for label in self._task.labels.values()}
        labels = self._function.labels
        detections = tuple(
            Detection(
                labels[class_id], class_id, score, (x1, y1, x2, y2), InstanceMask.from_json(mask[0]) if mask else None
            )
            for class_id, score, x1, y1, x2, y2, *mask in entry.get("detections", ())
            if labels[class_id] in known
        )
        return FrameDetections(detections, entry["content"], entry.get("error"))


def label_notes(task: Task, function: FunctionDirectory) -> list[str]:
    """Return a sentence for each label of a function that a task does not have.

    Raises:
        CvatError: The task has none of them.
    """
    names = [label.name for label in task.labels.values() if has_boxes(label)]
    missing = [label for label in function.labels if label not in names]
    if len(missing) == len(function.labels):
        raise CvatError(
            f"task {task.id}: labels for boxes: {', '.join(names) or 'none'}; expected one of the function's labels: "
            f"{', '.join(function.labels)}. Rename labels in the task or in function.yaml."
        )
    return [f"task {task.id} has no label {label!r}: its boxes are left out." for label in missing]


def frame_link(server: Server, task: Task, job: int, frame: int) -> str:
    """Return the address of the page that shows a frame."""
    return f"{server.url}/tasks/{task.id}/jobs/{job}?frame={frame}"


def frame_name(task: Task, frame: int) -> str:
    """Return the name of a frame's image; frames of a video are numbered as in an export."""
    return f"frame_{task.start + frame * task.step:06d}" if task.video else task.names[frame]


def _rounded_descriptor(data: bytes) -> list[float]:
    """The descriptor of an image, rounded for the disk; empty if it cannot be read."""
    try:
        return [round(float(value), 4) for value in describe(data)]
    except RequestError:
        return []
