"""What the reference network detected on the frozen images: every artefact of a model is compared with it.

For a trained model it is the Keras network, run by the trainer; for an imported one the model as it came, run by a
runtime of its own. `reference.json` lies beside `ground_truth.json`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.detector import Detection
from runtime.masks import InstanceMask

FILE_NAME = "reference.json"


@dataclass(frozen=True)
class Reference:
    """The reference network and its detections.

    Attributes:
        network: For people, with the version of what ran it.
        detections: For each frozen image, down to `scores.MIN_SCORE`.
    """

    network: str
    detections: Sequence[Sequence[Detection]]


def write(folder: Path, reference: Reference) -> None:
    """Write `reference.json` into the folder of the frozen images."""
    found = [
        [
            {
                "class_id": d.class_id,
                "score": d.score,
                "box": list(d.box),
                **({} if d.mask is None else {"mask": d.mask.to_json()}),
            }
            for d in detections
        ]
        for detections in reference.detections
    ]
    content = {"network": reference.network, "detections": found}
    (folder / FILE_NAME).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def read(folder: Path, labels: Sequence[str]) -> Reference:
    """Read what `write` wrote.

    Raises:
        ValueError: `reference.json` is missing or broken.
    """
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        detections = [[_detection(item, labels) for item in found] for found in content["detections"]]
        return Reference(str(content["network"]), detections)
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise ValueError(
            f"{path}: {type(error).__name__} {error}; expected the detections of a reference. Train or import again."
        ) from error


def _detection(item: Mapping[str, Any], labels: Sequence[str]) -> Detection:
    mask = InstanceMask.from_json(item["mask"]) if "mask" in item else None
    return Detection(labels[item["class_id"]], item["class_id"], item["score"], tuple(item["box"]), mask)
