"""Names of the image files of a pull: what the task calls them, as far as a file system can.

A task's names come from whoever uploaded: they may lead out of the folder, hold what Windows cannot, or differ in
nothing but case. Such a file is named by its frame instead.
"""

import re
from collections import Counter
from pathlib import PurePosixPath

from preannotate.cvat.tasks import Task
from preannotate.formats.cvat_xml import is_writable
from preannotate.formats.images import IMAGE_EXTENSIONS

_NOT_PORTABLE = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*]')
_LONGEST_PART_BYTES = 200


class ImageFileNames:
    """The names of one task's files."""

    def __init__(self, task: Task) -> None:
        self._task = task
        folded = Counter(name.casefold() for name in task.names)
        self._plain = [_is_plain(name) and folded[name.casefold()] == 1 for name in task.names]

    def of(self, frame: int) -> str:
        """Path below the folder of images, with "/"; without extension where only the content tells it.

        Args:
            frame: Relative number.
        """
        return f"task-{self._task.id}/{self._in_task(frame)}"

    def _in_task(self, frame: int) -> str:
        if self._task.video:
            return f"frame_{self._task.start + frame * self._task.step:06d}"  # as CVAT's own exports call it
        return self._task.names[frame] if self._plain[frame] else f"unnamed-{frame:06d}"


def has_extension(name: str) -> bool:
    """Whether a name ends as the names of images do."""
    return PurePosixPath(name).suffix.lower() in IMAGE_EXTENSIONS


def _is_plain(name: str) -> bool:
    """Whether a name can be used as it is, everywhere."""
    parts = name.split("/")
    return (
        has_extension(name)
        and not _NOT_PORTABLE.search(name)
        and is_writable(name)
        and all(
            part.strip(". ") and part == part.strip() and len(part.encode()) <= _LONGEST_PART_BYTES for part in parts
        )
    )
