"""Images of frames for a function: batch by batch, those of the next batch on their way meanwhile."""

import tempfile
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from preannotate.cvat.errors import CvatError
from preannotate.cvat.images import WantedImage, download_images, find_downloaded
from preannotate.cvat.server import Server

# What is lost at most when a run is stopped, and the size of one upload.
FRAMES_PER_BATCH = 32
_Key = TypeVar("_Key")


def download_in_batches(
    server: Server, task: int, frames: Mapping[_Key, Sequence[int]], broken: dict[int, str] | None = None
) -> Generator[tuple[_Key, dict[int, Path]], None, None]:
    """Download frames into a temporary folder, a batch ahead of whoever uses them.

    Args:
        server: Where they are.
        task: Number.
        frames: Key, such as the number of a job, to its frames (relative).
        broken: Takes frames whose images are none, with a sentence each; None ends at the first.

    Yields:
        Key and images by frame, at most `FRAMES_PER_BATCH` of one key; the files are gone when the next are asked for.

    Raises:
        CvatError: An image could not be downloaded.
    """
    batches = [
        (key, numbers[first : first + FRAMES_PER_BATCH])
        for key, numbers in frames.items()
        for first in range(0, len(numbers), FRAMES_PER_BATCH)
    ]
    if not batches:
        return
    with tempfile.TemporaryDirectory(prefix="preannotate-") as folder, ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(_download, server, task, batches[0][1], Path(folder))
        try:
            for (key, _), following in zip(batches, [*batches[1:], None], strict=True):
                images, unusable = coming.result()
                if broken is not None:
                    broken.update(unusable)
                elif unusable:
                    raise CvatError(next(iter(unusable.values())))
                if following is not None:
                    coming = ahead.submit(_download, server, task, following[1], Path(folder))
                yield key, images
                for path in images.values():
                    path.unlink()
        except BaseException:
            server.stop()
            raise


def _download(server: Server, task: int, frames: Sequence[int], folder: Path) -> tuple[dict[int, Path], dict[int, str]]:
    wanted = [WantedImage(task, frame, folder / f"frame-{frame}") for frame in frames]
    broken = download_images(server, wanted, lambda: None)
    images = {image.frame: path for image in wanted if (path := find_downloaded(image)) is not None}
    return images, {image.frame: why for image, why in broken.items()}
