"""A function directory at work in a process of its own.

Always a process of its own, even if the directory's `runtime/` equals the project's: what annotates is then
exactly what CVAT would be answered with, and a crash of an engine is a sentence and no more.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from preannotate.inference.errors import AnnotateError
from preannotate.inference.image_files import ImageFile
from preannotate.inference.results import ImageDetections, UnreadableImage
from runtime.detector import Detection

_WORKER = Path(__file__).with_name("worker.py")


class FunctionProcess:
    """Start, ask, stop; use it as a context manager.

    Attributes:
        labels: Of the function, as `function.yaml` gives them to CVAT; the index is the class id.
    """

    def __init__(self, directory: Path, *, threads: int | None = None) -> None:
        """Start the process and wait until the model is loaded.

        Args:
            directory: functions/NAME/nuclio.
            threads: For the engine; None leaves it to the function. MODEL_THREADS in the environment wins.

        Raises:
            AnnotateError: It cannot be loaded.
        """
        self._directory = directory
        share = {} if threads is None else {"MODEL_THREADS": str(threads)}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        # -P and the directory as the first place to import from: the function's own `runtime`, not the project's.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER), str(directory.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=directory,
            env={**share, **os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
            encoding="utf-8",
        )
        try:
            ready = self._read()
            if "error" in ready:
                raise AnnotateError(f"{directory}: {ready['error']}")
        except BaseException:
            self.close()
            raise
        self.labels: tuple[str, ...] = tuple(ready["labels"])

    def annotate(self, image: ImageFile, threshold: float | None) -> ImageDetections | UnreadableImage:
        """Ask for one image.

        Args:
            image: Any file.
            threshold: Score from which a detection counts; None uses the function's own.

        Raises:
            AnnotateError: The process ended.
        """
        request = {"image": str(image.path.absolute()), "threshold": threshold}
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # _read says why
        reply = self._read()
        if "error" in reply:
            return UnreadableImage(image.name, reply["error"])
        width, height = reply["size"]
        return ImageDetections(image.name, (width, height), tuple(_detection(found) for found in reply["detections"]))

    def kill(self) -> None:
        """End the process at once; whoever waits for its answer gets an error."""
        self._process.kill()

    def close(self) -> None:
        """End the process and wait for its end."""
        self.kill()
        self._process.communicate()
        self._log.close()

    def __enter__(self) -> "FunctionProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            raise AnnotateError(
                f"{self._directory}: the function ended with status {status} ({self._last_words()}); expected "
                f"detections. Run `preannotate check` on it."
            )
        return json.loads(line)

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "without a word")


def _detection(found: dict[str, Any]) -> Detection:
    return Detection(found["label"], found["class_id"], found["score"], tuple(found["box"]))
