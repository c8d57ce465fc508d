"""Images from the server to the disk: several at a time, each whole or absent, none twice."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from preannotate.cvat.errors import CvatError
from preannotate.cvat.names import has_extension
from preannotate.cvat.server import Server

# The server cuts frames out of its chunks one by one: more at a time would only wait there. cvat-sdk keeps as many
# connections open.
AT_A_TIME = 4
# Of those formats in which CVAT gives frames; where the name says nothing, the content does.
_EXTENSIONS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif", "TIFF": ".tif"}


@dataclass(frozen=True)
class WantedImage:
    """An image of a task; `path` is where it goes, without extension if only the content tells it."""

    task_id: int
    frame: int
    path: Path


def present(wanted: WantedImage) -> Path | None:
    """The file, if it was downloaded already."""
    if has_extension(wanted.path.name):
        return wanted.path if wanted.path.is_file() else None
    named = (wanted.path.with_name(wanted.path.name + extension) for extension in _EXTENSIONS.values())
    return next((path for path in named if path.is_file()), None)


def download(server: Server, images: Sequence[WantedImage], progress: Callable[[], object]) -> None:
    """Download images that are not present yet.

    Args:
        server: Where they are.
        images: Which.
        progress: Called after each.

    Raises:
        CvatError: One could not be downloaded; those before it are there.
    """
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        running = set()
        try:
            for wanted in images:
                running.add(pool.submit(_download, server, wanted))
                if len(running) >= 2 * AT_A_TIME:
                    running = _settled(running, progress, leave=AT_A_TIME)
            _settled(running, progress, leave=0)
        except BaseException:  # an interruption too: what has not begun is not begun any more
            server.stop()
            pool.shutdown(cancel_futures=True)
            raise


def _settled(running: set, progress: Callable[[], object], *, leave: int) -> set:
    """Wait until at most `leave` are running; the first failure is raised."""
    while len(running) > leave:
        done, running = wait(running, return_when=FIRST_COMPLETED if leave else FIRST_EXCEPTION)
        for future in done:
            future.result()
            progress()
    return running


def _download(server: Server, wanted: WantedImage) -> Path:
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    temporary = wanted.path.with_name(f".{wanted.path.name}.partial")
    try:
        with temporary.open("wb") as file:
            server.image(wanted.task_id, wanted.frame, file)
        target = _named(server, wanted, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _named(server: Server, wanted: WantedImage, content: Path) -> Path:
    """The path with its extension."""
    try:
        with Image.open(content) as image:
            kind = image.format
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError, ValueError) as error:
        raise CvatError(
            f"{server.url}: frame {wanted.frame} of task {wanted.task_id} is no image; expected one. "
            f"Look at it in CVAT; delete the frame there if it is broken."
        ) from error
    if has_extension(wanted.path.name):
        return wanted.path
    if kind not in _EXTENSIONS:
        raise CvatError(
            f"{server.url}: frame {wanted.frame} of task {wanted.task_id} is of the format {kind}; expected one of: "
            f"{', '.join(_EXTENSIONS)}. Convert the image and upload it again."
        )
    return wanted.path.with_name(wanted.path.name + _EXTENSIONS[kind])
