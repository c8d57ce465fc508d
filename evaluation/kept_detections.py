"""What a network found on frozen images, on disk: `keras.json`, from the trainer to whoever compares with it."""

import json
from collections.abc import Sequence
from pathlib import Path

from runtime.detector import Detection

FILE_NAME = "keras.json"


def read(folder: Path, labels: Sequence[str]) -> list[list[Detection]]:
    """The detections of each image, best score first.

    Args:
        folder: That of `ground_truth.json`.
        labels: Names of the classes.

    Raises:
        ValueError: `keras.json` is missing or broken.

    """
    path = folder / FILE_NAME
    try:
        return [
            [
                Detection(labels[item["class_id"]], item["class_id"], item["score"], tuple(item["box"]))
                for item in detections
            ]
            for detections in json.loads(path.read_text(encoding="utf-8"))["detections"]
        ]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"{path}: {type(error).__name__} {error}; expected what the Keras network found. Train again."
        ) from error


def write(folder: Path, detections: Sequence[Sequence[Detection]]) -> None:
    """Write the file; `read` gives equal detections back."""
    found = [
        [{"class_id": d.class_id, "score": d.score, "box": list(d.box)} for d in of_image] for of_image in detections
    ]
    (folder / FILE_NAME).write_text(json.dumps({"detections": found}), encoding="utf-8")
