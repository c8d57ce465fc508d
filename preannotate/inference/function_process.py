"""The detector of a function directory, in one worker process or in several."""

import itertools
import queue
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from preannotate.inference.images import ImageDetections, ImageFile, InferenceError, UnreadableImage
from preannotate.inference.worker_process import WorkerError, WorkerProcess, worker_environment
from runtime.detector import Detection
from runtime.errors import ImageError
from runtime.image_file import check_image_file
from runtime.masks import InstanceMask
from runtime.processors import cores

# A process is ready after a second or two; for fewer images each, that is not worth it.
IMAGES_PER_PROCESS = 10
_REMEDY = "Run `preannotate check` on it."
_Return = TypeVar("_Return")


class FunctionProcess:
    """A worker that detects; a context manager that ends it.

    Attributes:
        labels: As `function.yaml` gives them to CVAT; the index is the class id.
        label_types: Name of a label to its type there: "rectangle", "polygon" or "mask".
    """

    def __init__(self, directory: Path, *, workers: int = 1) -> None:
        """Start the process in functions/NAME/nuclio and wait until the model is loaded; `workers` share the cores.

        Raises:
            InferenceError: It cannot be loaded.
        """
        self._worker = WorkerProcess(
            directory, ["detector"], name=str(directory), environment=worker_environment(workers)
        )
        try:
            about = self._worker.wait_until_ready()
            self.labels: tuple[str, ...] = tuple(about["labels"])
            self.label_types: dict[str, str] = about["label_types"]
        except WorkerError as error:
            self.close()
            text = str(error)
            raise InferenceError(text if text.endswith(".") else f"{text}; expected a model. {_REMEDY}") from error
        except BaseException:
            self.close()
            raise

    def detect(self, image: ImageFile, threshold: float | None) -> ImageDetections | UnreadableImage:
        """Detect in one image; `threshold` is the minimum score, None the function's own.

        Raises:
            InferenceError: The process ended.
        """
        try:
            check_image_file(image.path)
        except ImageError as error:
            return UnreadableImage(image.name, str(error))
        except OSError as error:
            return UnreadableImage(image.name, f"{error.strerror or error}.")
        try:
            reply, _ = self._worker.exchange({"image": str(image.path.absolute()), "threshold": threshold})
        except WorkerError as error:
            last = f" (last line: {self._worker.last_line})" if self._worker.last_line else ""
            raise InferenceError(f"{error}{last}; expected detections. {_REMEDY}") from error
        if "error" in reply:
            return UnreadableImage(image.name, reply["error"])
        width, height = reply["size"]
        detections = tuple(
            Detection(
                found["label"],
                found["class_id"],
                found["score"],
                tuple(found["box"]),
                found["mask"] and InstanceMask.from_json(found["mask"]),
            )
            for found in reply["detections"]
        )
        return ImageDetections(image.name, (width, height), detections)

    def kill(self) -> None:
        """End the process at once; whoever waits for its answer gets an error."""
        self._worker.kill()

    def close(self) -> None:
        """End the process and wait for its end."""
        self._worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def processes_for(images: int) -> int:
    """Return how many processes are worth starting for so many images on this machine."""
    return max(1, min(cores(), images // IMAGES_PER_PROCESS))


class FunctionPool:
    """Several processes of one function, each with its share of the cores; a context manager that ends them.

    A network on one core twice is faster than on two cores once, and while one process decodes the next can compute.

    Attributes:
        labels: As in `FunctionProcess`.
        label_types: As there.
    """

    def __init__(self, directory: Path, processes: int) -> None:
        """Start all processes and wait until their models are loaded.

        Raises:
            InferenceError: One cannot be loaded.
        """
        self._threads = ThreadPoolExecutor(processes)
        self._free: queue.SimpleQueue[FunctionProcess] = queue.SimpleQueue()
        self._all: list[FunctionProcess] = []
        starts = [self._threads.submit(FunctionProcess, directory, workers=processes) for _ in range(processes)]
        try:
            for start in starts:
                self._all.append(start.result())
        except BaseException:
            self._all += [start.result() for start in starts[len(self._all) :] if start.exception() is None]
            self.close()
            raise
        for process in self._all:
            self._free.put(process)
        self.labels, self.label_types = self._all[0].labels, self._all[0].label_types

    def map(
        self,
        images: Sequence[ImageFile],
        threshold: float | None,
        then: Callable[[ImageFile, ImageDetections | UnreadableImage], _Return],
    ) -> Iterator[_Return]:
        """Detect in images, several at a time, with a `threshold` as in `FunctionProcess.detect`.

        Yields:
            What `then`, called in a thread with each image and its result, returned; in the order of the images.

        Raises:
            InferenceError: A process ended.
        """
        futures = (self._threads.submit(self._detect, image, threshold, then) for image in images)
        in_flight = deque(itertools.islice(futures, 2 * len(self._all)))
        while in_flight:
            yield in_flight.popleft().result()
            in_flight.extend(itertools.islice(futures, 1))

    def close(self) -> None:
        """End the processes, without the results of images that they have."""
        for process in self._all:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._all:
            process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _detect(
        self,
        image: ImageFile,
        threshold: float | None,
        then: Callable[[ImageFile, ImageDetections | UnreadableImage], _Return],
    ) -> _Return:
        process = self._free.get()
        try:
            result = process.detect(image, threshold)
        finally:
            self._free.put(process)
        return then(image, result)
