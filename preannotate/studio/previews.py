"""Preview images of tasks, kept on disk so that lists load at once; the least recently used ones are removed."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from preannotate.core.files import replace_bytes
from preannotate.studio.errors import StudioError

# A preview of CVAT has a few kilobytes.
MOST_FILES = 1000
MOST_BYTES = 5_000_000
# Content types that are served, by the first bytes of the file.
_KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"RIFF": "image/webp"}


class PreviewCache:
    """A folder of preview images."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def picture(self, server_id: int, task_id: int, updated: str, fetch: Callable[[], bytes]) -> tuple[bytes, str]:
        """Return a preview and its content type.

        Args:
            server_id: In the studio.
            task_id: On the server.
            updated: When the task changed last; its preview may be another one since.
            fetch: Downloads the preview if it is not there.

        Raises:
            StudioError: The downloaded bytes are not an image.
        """
        moment = hashlib.sha256(updated.encode()).hexdigest()[:12]
        path = self._folder / f"{server_id}-{task_id}-{moment}"
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            content = fetch()
            kind = _kind(content)
            if not kind or len(content) > MOST_BYTES:
                raise StudioError(
                    f"task {task_id}: preview of {len(content)} bytes is not an image; expected JPEG, PNG or WebP."
                ) from None
            self._keep(path, content)
        return content, _kind(content)

    def _keep(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for stale in self._folder.glob(f"{path.name.rpartition('-')[0]}-*"):
            stale.unlink(missing_ok=True)
        replace_bytes(path, content)
        kept = sorted(self._folder.iterdir(), key=_used, reverse=True)
        for old in kept[MOST_FILES:]:
            old.unlink(missing_ok=True)


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another thread removed it
        return 0.0


def _kind(content: bytes) -> str:
    return next((kind for first, kind in _KINDS.items() if content.startswith(first)), "")
