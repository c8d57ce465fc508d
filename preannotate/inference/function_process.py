"""The detector of a function directory, in a worker process."""

from pathlib import Path
from typing import Any, Self

from preannotate.inference.errors import InferenceError
from preannotate.inference.image_files import ImageFile
from preannotate.inference.results import ImageDetections, UnreadableImage
from preannotate.inference.worker_process import WorkerError, WorkerProcess, worker_environment
from runtime.detector import Detection

_REMEDY = "Run `preannotate check` on it."


class FunctionProcess:
    """A worker that detects; a context manager that ends it.

    Attributes:
        labels: Of the function, as `function.yaml` gives them to CVAT; the index is the class id.
    """

    def __init__(self, directory: Path, *, workers: int = 1) -> None:
        """Start the process and wait until the model is loaded.

        Args:
            directory: functions/NAME/nuclio.
            workers: How many processes share the cores. MODEL_THREADS in the environment wins.

        Raises:
            InferenceError: It cannot be loaded.
        """
        self._worker = WorkerProcess(
            directory, ["detector"], name=str(directory), environment=worker_environment(workers)
        )
        try:
            self.labels: tuple[str, ...] = tuple(self._worker.wait_until_ready()["labels"])
        except WorkerError as error:
            self.close()
            text = str(error)
            raise InferenceError(text if text.endswith(".") else f"{text}; expected a model. {_REMEDY}") from error
        except BaseException:
            self.close()
            raise

    def detect(self, image: ImageFile, threshold: float | None) -> ImageDetections | UnreadableImage:
        """Detect in one image.

        Args:
            image: Any file.
            threshold: Score from which a detection counts; None uses the function's own.

        Raises:
            InferenceError: The process ended.
        """
        try:
            reply, _ = self._worker.exchange({"image": str(image.path.absolute()), "threshold": threshold})
        except WorkerError as error:
            last = f" (last line: {self._worker.last_line})" if self._worker.last_line else ""
            raise InferenceError(f"{error}{last}; expected detections. {_REMEDY}") from error
        if "error" in reply:
            return UnreadableImage(image.name, reply["error"])
        width, height = reply["size"]
        return ImageDetections(image.name, (width, height), tuple(_detection(found) for found in reply["detections"]))

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


def _detection(found: dict[str, Any]) -> Detection:
    return Detection(found["label"], found["class_id"], found["score"], tuple(found["box"]))
