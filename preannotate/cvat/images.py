"""Images from the server to the disk: several at a time, each whole or absent, none twice.

Files are named as in the task, as far as a file system can: the names come from whoever uploaded and may lead out of
the folder, hold what Windows cannot, or differ in nothing but case. Such a file is named by its frame instead.
"""

import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from preannotate.core.drafts import working_directory
from preannotate.core.files import put_in_place
from preannotate.cvat.errors import CvatError
from preannotate.cvat.server import Server
from preannotate.cvat.tasks import Task
from preannotate.formats.cvat_xml import is_writable
from preannotate.formats.image_kinds import IMAGE_EXTENSIONS
from runtime.errors import ImageError
from runtime.image_file import read_image_file
from runtime.image_headers import read_header

# What is lost at most when a run is stopped, and the size of one upload.
FRAMES_PER_BATCH = 32
# The server cuts frames out of its chunks one by one: more at a time would only wait there. cvat-sdk keeps as many
# connections open.
PARALLEL_DOWNLOADS = 4
# Up to this number of responses 500 the frames are at fault, after that the server is.
MAX_SERVER_ERRORS = 3
# Formats in which CVAT gives frames.
_EXTENSIONS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif", "TIFF": ".tif"}
_NOT_PORTABLE = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*]')
_MAX_PART_BYTES = 200
_Key = TypeVar("_Key")


class BrokenImageError(CvatError):
    """The server's image of a frame cannot be used; other frames are not affected."""


@dataclass(frozen=True)
class WantedImage:
    """An image of a task; `path` is where it goes, without extension if only the content tells it."""

    task_id: int
    frame: int
    path: Path


def image_file_names(task: Task) -> list[str]:
    """Return the path of each frame (relative number) below the folder of images, with "/".

    Frames of a video have no extension: only the content of the image shows which it needs.
    """
    if task.video:  # as in CVAT's own exports
        names = [f"frame_{task.start + frame * task.step:06d}" for frame in range(task.size)]
    else:
        folded = Counter(name.casefold() for name in task.names)
        names = [
            name if _is_portable(name) and folded[name.casefold()] == 1 else f"unnamed-{frame:06d}"
            for frame, name in enumerate(task.names)
        ]
    return [f"task-{task.id}/{name}" for name in names]


def has_extension(name: str) -> bool:
    """Return whether a name ends as the names of images do."""
    return PurePosixPath(name).suffix.lower() in IMAGE_EXTENSIONS


def find_downloaded(wanted: WantedImage) -> Path | None:
    """Return the file if it was downloaded already."""
    if has_extension(wanted.path.name):
        return wanted.path if wanted.path.is_file() else None
    named = (wanted.path.with_name(wanted.path.name + extension) for extension in _EXTENSIONS.values())
    return next((path for path in named if path.is_file()), None)


def download_images(
    server: Server, images: Sequence[WantedImage], progress: Callable[[], object]
) -> dict[WantedImage, str]:
    """Download images that are not present yet, and call `progress` after each.

    Returns:
        Broken images, which are absent, to a whole sentence each.

    Raises:
        CvatError: One could not be downloaded; those before it are there.
    """
    broken: dict[WantedImage, str] = {}
    refused: list[CvatError] = []
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        running = set()
        try:
            for wanted in images:
                running.add(pool.submit(_download, server, wanted, broken, refused))
                if len(running) >= 2 * PARALLEL_DOWNLOADS:
                    running = _settled(running, progress, leave=PARALLEL_DOWNLOADS)
            _settled(running, progress, leave=0)
        except BaseException:  # an interruption, too
            server.stop()
            pool.shutdown(cancel_futures=True)
            raise
    if refused and len(broken) == len(images):
        raise refused[0]
    return dict(sorted(broken.items(), key=lambda item: (item[0].task_id, item[0].frame)))


def download_in_batches(
    server: Server, task: int, frames: Mapping[_Key, Sequence[int]], broken: dict[int, str] | None = None
) -> Generator[tuple[_Key, dict[int, Path]], None, None]:
    """Download frames into a temporary folder, one batch ahead of the caller.

    `frames` maps a key, such as the number of a job, to relative frames. `broken` receives frames with broken images
    and a sentence each; None raises at the first.

    Yields:
        Key and images by frame, at most `FRAMES_PER_BATCH` of one key; the files are deleted with the next batch.

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
    with working_directory() as folder, ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(_download_batch, server, task, batches[0][1], Path(folder))
        try:
            for (key, _), following in zip(batches, [*batches[1:], None], strict=True):
                images, unusable = coming.result()
                if broken is not None:
                    broken.update(unusable)
                elif unusable:
                    raise CvatError(next(iter(unusable.values())))
                if following is not None:
                    coming = ahead.submit(_download_batch, server, task, following[1], Path(folder))
                yield key, images
                for path in images.values():
                    path.unlink()
        except BaseException:
            server.stop()
            raise


def _settled(running: set, progress: Callable[[], object], *, leave: int) -> set:
    """Wait until at most `leave` are running; the first failure is raised."""
    while len(running) > leave:
        done, running = wait(running, return_when=FIRST_COMPLETED if leave else FIRST_EXCEPTION)
        for future in done:
            future.result()
            progress()
    return running


def _download(server: Server, wanted: WantedImage, broken: dict[WantedImage, str], refused: list[CvatError]) -> None:
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    temporary = wanted.path.with_name(f".{wanted.path.name}.partial")
    try:
        with temporary.open("wb") as file:
            server.image(wanted.task_id, wanted.frame, file)
        put_in_place(temporary, _named(wanted, temporary))
    except BrokenImageError as error:
        broken[wanted] = str(error)
    except CvatError as error:
        if error.status != 500:  # CVAT answers 500 where it cannot decode what was uploaded
            raise
        broken[wanted] = (
            f"frame {wanted.frame} of task {wanted.task_id} cannot be given by CVAT (500); expected its "
            f"image. Look at it in CVAT; delete the frame there if it is broken."
        )
        refused.append(error)
        if len(refused) > MAX_SERVER_ERRORS:
            raise
    finally:
        temporary.unlink(missing_ok=True)


def _named(wanted: WantedImage, content: Path) -> Path:
    """The path with its extension."""
    try:
        header = read_header(read_image_file(content))
    except (OSError, ImageError) as error:
        raise BrokenImageError(f"frame {wanted.frame} of task {wanted.task_id}: {error}") from error
    if header is None:
        raise BrokenImageError(
            f"frame {wanted.frame} of task {wanted.task_id} is no image; expected one. "
            f"Look at it in CVAT; delete the frame there if it is broken."
        )
    kind, _ = header
    if has_extension(wanted.path.name):
        return wanted.path
    if kind not in _EXTENSIONS:
        raise BrokenImageError(
            f"frame {wanted.frame} of task {wanted.task_id} is of the format {kind}; expected one of: "
            f"{', '.join(_EXTENSIONS)}. Convert the image and upload it again."
        )
    return wanted.path.with_name(wanted.path.name + _EXTENSIONS[kind])


def _download_batch(
    server: Server, task: int, frames: Sequence[int], folder: Path
) -> tuple[dict[int, Path], dict[int, str]]:
    wanted = [WantedImage(task, frame, folder / f"frame-{frame}") for frame in frames]
    broken = download_images(server, wanted, lambda: None)
    images = {image.frame: path for image in wanted if (path := find_downloaded(image)) is not None}
    return images, {image.frame: why for image, why in broken.items()}


def _is_portable(name: str) -> bool:
    """Return whether a name can be used as it is, on every system."""
    return (
        has_extension(name)
        and not _NOT_PORTABLE.search(name)
        and is_writable(name)
        and all(
            part.strip(". ") and part == part.strip() and len(part.encode()) <= _MAX_PART_BYTES
            for part in name.split("/")
        )
    )
