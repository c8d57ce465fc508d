"""Several processes of one function, each with its share of the cores, that detect at the same time.

A network on one core twice is faster than on two cores once, and while one process decodes the next can compute.
"""

import itertools
import queue
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from preannotate.inference.function_process import FunctionProcess
from preannotate.inference.image_files import ImageFile
from preannotate.inference.results import ImageDetections, UnreadableImage
from runtime.processors import cores

# A process is ready after a second or two; for fewer images each, that is not worth it.
IMAGES_PER_PROCESS = 10
_Return = TypeVar("_Return")


def processes_for(images: int) -> int:
    """Return how many processes are worth starting for so many images on this machine."""
    return max(1, min(cores(), images // IMAGES_PER_PROCESS))


class FunctionPool:
    """Processes that detect; a context manager that ends them.

    Attributes:
        labels: As in `FunctionProcess`.
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
        self.labels = self._all[0].labels

    def map(
        self,
        images: Sequence[ImageFile],
        threshold: float | None,
        then: Callable[[ImageFile, ImageDetections | UnreadableImage], _Return],
    ) -> Iterator[_Return]:
        """Detect in images, several at a time.

        Args:
            images: Any files.
            threshold: As in `FunctionProcess.detect`.
            then: Called with each image and its result, in a thread.

        Yields:
            What `then` returned, in the order of the images.

        Raises:
            InferenceError: A process ended.
        """
        waiting = iter(images)
        in_flight: deque[Future[_Return]] = deque(
            self._threads.submit(self._detect, image, threshold, then)
            for image in itertools.islice(waiting, 2 * len(self._all))
        )
        while in_flight:
            yield in_flight.popleft().result()
            in_flight.extend(
                self._threads.submit(self._detect, image, threshold, then) for image in itertools.islice(waiting, 1)
            )

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
