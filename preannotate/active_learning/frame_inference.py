"""Frames of a task shown to a function: several in flight, the next downloaded meanwhile, nothing asked twice.

The function answers down to a low score, because doubt and mistakes lie below its thresholds. Answers are kept
with what they depend on: the images of the task and all that the function is made of.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from builder.function_directory import FunctionDirectory
from preannotate.active_learning.answer_cache import AnswerCache
from preannotate.active_learning.ranking.image_descriptors import describe
from preannotate.core.progress import ProgressBar
from preannotate.cvat.frames import images_in_batches
from preannotate.cvat.server import Server
from preannotate.cvat.tasks import Task
from preannotate.inference.image_files import ImageFile
from preannotate.inference.pool import FunctionPool, processes_for
from preannotate.inference.results import ImageDetections, UnreadableImage
from runtime.detector import Detection
from runtime.errors import RequestError

# A tenth of a usual threshold: below it there are hundreds of boxes an image, and none says anything.
MIN_SCORE = 0.05


@dataclass(frozen=True)
class FrameDetections:
    """What a function found on a frame.

    Attributes:
        detections: Down to `LEAST_SCORE`, best first, in image pixels; of labels that the function has.
        content: sha256 of the image's file.
        error: Why the function could not read the image; "" if it could.
    """

    detections: tuple[Detection, ...]
    content: str
    error: str = ""


class FrameInference:
    """Asks about one task, and keeps the answers in a folder.

    Attributes:
        function: That is asked.
    """

    def __init__(
        self, server: Server, task: Task, function: FunctionDirectory, output: Path, *, workers: int | None
    ) -> None:
        """Nothing is asked yet.

        Args:
            server: Where the task is.
            task: Whose frames are meant.
            function: Is asked.
            output: Where answers are kept.
            workers: Processes; None takes as many as are worth starting.
        """
        self.function = function
        self._server, self._task, self._workers = server, task, workers
        images = [server.url, task.id, task.data, task.size, task.start, task.step, task.names, task.sizes]
        self._found = AnswerCache(output, f"found-{task.id}", [images, function.fingerprint, MIN_SCORE])
        self._looks = AnswerCache(output, f"looks-{task.id}", images)

    def found(self, frames: Sequence[int], *, looks_too: bool = False) -> dict[int, FrameDetections]:
        """What the function finds.

        Args:
            frames: Relative numbers.
            looks_too: Also keep what `looks` gives, while the images are here.

        Raises:
            CvatError: An image does not come; what is kept stays.
            InferenceError: The function cannot be loaded, or ended.
        """
        missing = [frame for frame in frames if frame not in self._found.entries]
        if missing:
            with FunctionPool(self.function.path, self._workers or processes_for(len(missing))) as pool:

                def ask(images: dict[int, Path]) -> Iterable[tuple[int, Any]]:
                    given = [ImageFile(path, str(frame)) for frame, path in images.items()]
                    return zip(images, pool.map(given, MIN_SCORE, self._entries(looks_too=looks_too)), strict=True)

                for frame, (entry, looks) in self._over(missing, ask, "frames asked about"):
                    if looks is not None:
                        self._looks.keep(frame, looks)
                    self._found.keep(frame, entry)
        return {frame: self._seen(self._found.entries[frame]) for frame in frames}

    def looks(self, frames: Sequence[int]) -> dict[int, np.ndarray]:
        """What frames look like; those that cannot be read are left out."""
        missing = [frame for frame in frames if frame not in self._looks.entries]

        def look(images: dict[int, Path]) -> Iterable[tuple[int, Any]]:
            return ((frame, _looks(path.read_bytes())) for frame, path in images.items())

        for frame, looks in self._over(missing, look, "frames looked at"):
            self._looks.keep(frame, looks)
        known = {frame: self._looks.entries[frame] for frame in frames}
        return {frame: np.array(looks, np.float32) for frame, looks in known.items() if looks}

    def _over(
        self, frames: Sequence[int], work: Callable[[dict[int, Path]], Iterable[tuple[int, Any]]], said: str
    ) -> Iterable[tuple[int, Any]]:
        if not frames:
            return
        batches = images_in_batches(self._server, self._task.id, {None: frames})
        bar = ProgressBar(len(frames), "frame", said)
        with closing(batches), bar:
            for _, images in batches:
                for result in work(images):
                    yield result
                    bar.update()

    def _entries(self, *, looks_too: bool) -> Callable[[ImageFile, ImageDetections | UnreadableImage], Any]:
        """What is kept of an answer, made in the thread that got it."""

        def entry(image: ImageFile, answer: ImageDetections | UnreadableImage) -> Any:
            data = image.path.read_bytes()
            looks = _looks(data) if looks_too and int(image.name) not in self._looks.entries else None
            content = hashlib.sha256(data).hexdigest()
            if isinstance(answer, UnreadableImage):
                return {"content": content, "error": answer.error}, looks
            rows = [
                [one.class_id, round(one.score, 5), *(round(value, 2) for value in one.box)]
                for one in answer.detections
            ]
            return {"content": content, "detections": rows}, looks

        return entry

    def _seen(self, entry: Any) -> FrameDetections:
        rows = entry.get("detections", ())
        labels = self.function.labels
        detections = tuple(Detection(labels[int(row[0])], int(row[0]), row[1], tuple(row[2:6])) for row in rows)
        return FrameDetections(detections, entry["content"], entry.get("error", ""))


def _looks(data: bytes) -> list[float]:
    """Rounded for the disk; empty for what is no image."""
    try:
        return [round(float(value), 4) for value in describe(data)]
    except RequestError:
        return []
