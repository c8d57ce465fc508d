"""Images from the server to the disk: several at a time, each whole or absent, none twice."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from preannotate.cvat.errors import CvatError
from preannotate.cvat.image_file_names import has_extension
from preannotate.cvat.server import Server

# The server cuts frames out of its chunks one by one: more at a time would only wait there. cvat-sdk keeps as many
# connections open.
PARALLEL_DOWNLOADS = 4
# Frames that CVAT answers with 500 before that is taken for a fault of the server and not of the frames.
MAX_SERVER_ERRORS = 3
# Of those formats in which CVAT gives frames; where the name says nothing, the content does.
_EXTENSIONS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif", "TIFF": ".tif"}


@dataclass(frozen=True)
class WantedImage:
    """An image of a task; `path` is where it goes, without extension if only the content tells it."""

    task_id: int
    frame: int
    path: Path


def find_downloaded(wanted: WantedImage) -> Path | None:
    """The file, if it was downloaded already."""
    if has_extension(wanted.path.name):
        return wanted.path if wanted.path.is_file() else None
    named = (wanted.path.with_name(wanted.path.name + extension) for extension in _EXTENSIONS.values())
    return next((path for path in named if path.is_file()), None)


class BrokenImageError(CvatError):
    """What the server gives for a frame is no image that can be used; the others are not touched by it."""


def download_images(
    server: Server, images: Sequence[WantedImage], progress: Callable[[], object]
) -> dict[WantedImage, str]:
    """Download images that are not present yet.

    Args:
        server: Where they are.
        images: Which.
        progress: Called after each.

    Returns:
        Images that are broken to a whole sentence each; they are absent.

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
        except BaseException:  # an interruption too: what has not begun is not begun any more
            server.stop()
            pool.shutdown(cancel_futures=True)
            raise
    if refused and len(broken) == len(images):
        raise refused[0]
    return dict(sorted(broken.items(), key=lambda item: (item[0].task_id, item[0].frame)))


def _settled(running: set, progress: Callable[[], object], *, leave: int) -> set:
    """Wait until at most `leave` are running; the first failure is raised."""
    while len(running) > leave:
        done, running = wait(running, return_when=FIRST_COMPLETED if leave else FIRST_EXCEPTION)
        for future in done:
            future.result()
            progress()
    return running


def _is_about_one_frame(error: CvatError) -> bool:
    """Whether CVAT answered 500, again and again: so it does where it cannot decode what was uploaded."""
    return error.status == 500


def _download(server: Server, wanted: WantedImage, broken: dict[WantedImage, str], refused: list[CvatError]) -> None:
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    temporary = wanted.path.with_name(f".{wanted.path.name}.partial")
    try:
        with temporary.open("wb") as file:
            server.image(wanted.task_id, wanted.frame, file)
        temporary.replace(_named(wanted, temporary))
    except BrokenImageError as error:
        broken[wanted] = str(error)
    except CvatError as error:
        if not _is_about_one_frame(error):
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
        with Image.open(content) as image:
            kind = image.format
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError, ValueError) as error:
        raise BrokenImageError(
            f"frame {wanted.frame} of task {wanted.task_id} is no image; expected one. "
            f"Look at it in CVAT; delete the frame there if it is broken."
        ) from error
    if has_extension(wanted.path.name):
        return wanted.path
    if kind not in _EXTENSIONS:
        raise BrokenImageError(
            f"frame {wanted.frame} of task {wanted.task_id} is of the format {kind}; expected one of: "
            f"{', '.join(_EXTENSIONS)}. Convert the image and upload it again."
        )
    return wanted.path.with_name(wanted.path.name + _EXTENSIONS[kind])
