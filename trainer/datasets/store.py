"""The run's own copy of its data: images named by their content, and `samples.json`.

A run that holds its images can be moved, resumed and evaluated when the export is long gone. Images
are hard links where the file system allows it: programs that replace a file leave the store's alone, one
that writes into the file itself changes both.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from preannotate.formats.errors import DatasetError
from trainer.datasets.health import Health
from trainer.datasets.sample import Dataset, Sample

FORMAT = 1
FILE_NAME = "samples.json"
IMAGES = "images"


def put_image(source: Path, content: str, store: Path) -> Path:
    """Link or copy an image into the store.

    Args:
        source: The image's file.
        content: sha256 of its bytes, hexadecimal.
        store: The store's folder.

    Returns:
        `store/images/<content><extension>`; whole or absent at any moment.

    """
    folder = store / IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{content}{source.suffix.lower()}"
    if target.exists():
        return target
    temporary = folder / f".{content}.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    try:
        try:
            os.link(source.resolve(), temporary)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, temporary)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DatasetError(
            f"{target}: {error.strerror or error}; expected room for the images of the run. Make room and start again."
        ) from error
    return target


def save(dataset: Dataset, store: Path, *, name: str = FILE_NAME) -> Path:
    """Write the samples beside their images; `read_saved` gives an equal dataset back.

    Args:
        dataset: Its images must lie in `store`.
        store: The store's folder.
        name: Another file name keeps a second set, say for validation, in the same store.

    """
    content = {
        "format": FORMAT,
        "labels": list(dataset.labels),
        "samples": [_to_json(sample, store) for sample in dataset.samples],
        "health": dataset.health.found_json(),
    }
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1)
    path = store / name
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=store, prefix=f".{name}.", delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
    return path


def read_saved(store: Path, *, name: str = FILE_NAME) -> Dataset:
    """Read what `save` wrote.

    Raises:
        DatasetError: No such file, not ours, or an image is gone.

    """
    path = store / name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file; expected the samples of a run. Start the training again.") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: {error}; expected the samples of a run. Start the training again.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise DatasetError(f"{path}: format {found!r}; expected {FORMAT}. Start the training again.")
    try:
        samples = tuple(_from_json(entry, store) for entry in content["samples"])
        labels = tuple(content["labels"])
        health = Health.of(samples, labels, content["health"])
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: {error!r}; expected the samples of a run. Start the training again.") from error
    gone = [sample.name for sample in samples if not sample.image.is_file()]
    if gone:
        raise DatasetError(
            f"{path}: {len(gone)} images are gone, the first {gone[0]!r}; expected them in {store / IMAGES}. "
            f"Start the training again."
        )
    return Dataset(labels, samples, health)


def _to_json(sample: Sample, store: Path) -> dict[str, Any]:
    return {
        "name": sample.name,
        "image": sample.image.relative_to(store).as_posix(),
        "content": sample.content,
        "image_size": list(sample.image_size),
        # A float32 is exactly a float64, and JSON writes those with all their digits.
        "boxes": sample.boxes.tolist(),
        "class_ids": sample.class_ids.tolist(),
        "group": sample.group,
        "frame": sample.frame,
        "dropped": dict(sample.dropped),
        "converted": dict(sample.converted),
        "ignored": sample.ignored.tolist(),
    }


def _from_json(entry: dict[str, Any], store: Path) -> Sample:
    return Sample(
        name=entry["name"],
        image=store / entry["image"],
        content=entry["content"],
        image_size=(int(entry["image_size"][0]), int(entry["image_size"][1])),
        boxes=np.array(entry["boxes"], np.float32).reshape(-1, 4),
        class_ids=np.array(entry["class_ids"], np.int64),
        group=entry["group"],
        frame=entry["frame"],
        dropped=entry["dropped"],
        converted=entry["converted"],
        ignored=np.array(entry.get("ignored", []), np.float32).reshape(-1, 4),  # older runs have none
    )
