"""Images that nobody has annotated, for self-training (`trainer.self_training`).

They come from folders of images or from exports. An image that is annotated, reviewed and found empty, or held out for
validation is known better than that: it is recognised by its content and left out here.
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preannotate.core.files import sync_all
from preannotate.core.text import plural
from preannotate.formats import is_known_format, read_export
from preannotate.formats.archive import open_export, with_inner_archives
from preannotate.formats.records import DatasetError, Frame
from trainer.datasets.dataset import store_image
from trainer.datasets.health import LoadReport
from trainer.datasets.loading import ReadableImage, check_image
from trainer.datasets.sample import Sample
from trainer.datasets.split import Split

# More would hardly be seen in a training of minutes, but would all be read and copied.
MAX_IMAGES = 1000
ANNOTATED = "with boxes of people"
IN_TRAINING = "that are training images"
IN_VALIDATION = "that are validation images"
REPEATED = "that are there twice"
BROKEN = "that cannot be read"
NOT_NEEDED = f"beyond the {MAX_IMAGES} that are used"


@dataclass(frozen=True)
class UnlabelledImages:
    """Images without annotations.

    Attributes:
        samples: Without boxes, in an order that depends on their names alone.
        left_out: Reason to number of images that were left out.
    """

    samples: tuple[Sample, ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()

    @property
    def summary(self) -> str:
        """One sentence for people."""
        left_out = ", ".join(f"{count} {reason}" for reason, count in self.left_out)
        return (
            f"{plural(len(self.samples), 'image')} without annotations for self-training"
            f"{f'; left out: {left_out}' if left_out else ''}."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `dataset.json`."""
        return {"images": len(self.samples), "left_out": dict(self.left_out)}


def load_unlabelled(paths: Sequence[Path], store: Path, split: Split, *, limit: int = MAX_IMAGES) -> UnlabelledImages:
    """Read images without annotations and copy them into the run's store.

    Args:
        paths: Folders of images, or exports (zips or folders), whose images with boxes of people are left out.
        store: As in `load_dataset`.
        split: Its images are left out.
        limit: Images to use at most; those whose names have the smallest hashes.

    Raises:
        DatasetError: No image can be found in one of the paths, or an export cannot be read.
    """
    if not paths:
        return UnlabelledImages()
    known = {sample.content: IN_TRAINING for sample in split.train}
    known |= {sample.content: IN_VALIDATION for sample in split.validation}
    left_out: Counter[str] = Counter()
    with contextlib.ExitStack() as opened:
        frames = [frame for path in paths for frame in _frames(path, store, opened)]
        unlabelled = [frame for frame in frames if not _is_annotated(frame)]
        left_out[ANNOTATED] = len(frames) - len(unlabelled)
        samples = tuple(_samples(_in_order_of_names(unlabelled), store, known, limit, left_out))
    sync_all(sample.image for sample in samples)
    return UnlabelledImages(samples, tuple((reason, count) for reason, count in left_out.items() if count))


def _frames(path: Path, store: Path, opened: contextlib.ExitStack) -> list[Frame]:
    """Return the frames of an export, or all images of a folder or archive without annotations."""
    files = opened.enter_context(open_export(path, store))
    if is_known_format(files):
        return list(read_export(path, files).export.frames)
    images = files.images.paths or with_inner_archives(files)[0].images.paths
    if not images:
        raise DatasetError(f"{path}: no images; expected a folder or archive of images, or an export with its images.")
    return [Frame(name, image, ()) for name, image in images.items()]


def _is_annotated(frame: Frame) -> bool:
    return any(shape.boxed and not shape.automatic for shape in frame.shapes)


def _in_order_of_names(frames: Iterable[Frame]) -> list[Frame]:
    """Return the frames in an order that a further frame does not change, and that is not that of a video."""
    return sorted(frames, key=lambda frame: hashlib.sha256(frame.name.encode(errors="replace")).digest())


def _samples(
    frames: Sequence[Frame], store: Path, known: dict[str, str], limit: int, left_out: Counter[str]
) -> Iterator[Sample]:
    seen: dict[str, str] = dict(known)
    count = 0
    for position, frame in enumerate(frames):
        if count == limit:
            left_out[NOT_NEEDED] += len(frames) - position
            return
        image = check_image(frame, LoadReport())
        if image is None:
            left_out[BROKEN] += 1
        elif reason := seen.get(image.content):
            left_out[reason] += 1
        else:
            seen[image.content] = REPEATED
            count += 1
            yield _sample(frame, image, store)


def _sample(frame: Frame, image: ReadableImage, store: Path) -> Sample:
    return Sample(
        name=frame.name,
        image=store_image(image.path, image.content, store),
        content=image.content,
        image_size=image.size,
        boxes=np.zeros((0, 4), np.float32),
        class_ids=np.zeros(0, np.int64),
        group=f"image:{image.content}",
    )
