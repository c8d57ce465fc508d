"""Which frames of an export are meant, what they are called, and which belong to one video."""

import contextlib
import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from preannotate.formats.image_kinds import without_extension
from preannotate.formats.records import DatasetError, Frame
from runtime.errors import ImageError
from runtime.image_file import read_image_file


def match_names(wanted: Iterable[str], names: Iterable[str], *, where: str, unknown_allowed: bool = False) -> set[str]:
    """Return those of `names` that `wanted` means.

    A wanted name means all names equal to it; if there is none, those equal without extension; if there
    is none, those whose last part is equal without extension.

    Raises:
        DatasetError: A wanted name means no image, unless `unknown_allowed`; its message begins with `where`.
    """
    names = list(names)
    exact = set(names)
    stems: dict[str, set[str]] = defaultdict(set)
    last_parts: dict[str, set[str]] = defaultdict(set)
    for name in names:
        stem = without_extension(name)
        stems[stem].add(name)
        last_parts[PurePosixPath(stem).name].add(name)
    matched: set[str] = set()
    unknown: list[str] = []
    for name in wanted:
        name = name.replace("\\", "/")
        stem = without_extension(name)
        found = {name} & exact or stems.get(stem) or last_parts.get(PurePosixPath(stem).name) or set()
        if not found:
            unknown.append(name)
        matched |= found
    if unknown and not unknown_allowed:
        example = f" such as {names[0]!r}" if names else ""
        raise DatasetError(
            f"{where}: {len(unknown)} names of no image, the first {unknown[0]!r}; "
            f"expected names of images in the export{example}. Correct or remove them."
        )
    return matched


def select_frames(frames: Sequence[Frame], only: Collection[str] | None) -> Sequence[Frame]:
    """Return the frames whose names are in `only`, as `match_names` matches them; all if it is None."""
    if only is None:
        return frames
    names = [frame.name for frame in frames]
    matched = match_names(only, names, where="", unknown_allowed=True)  # another export may have the rest
    return [frame for frame in frames if frame.name in matched]


def with_distinct_names(frames: Sequence[Frame]) -> list[Frame]:
    """Return the frames with their subset in front of names that occur twice."""
    counts = Counter(frame.name for frame in frames)
    return [
        replace(frame, name=f"{frame.subset}/{frame.name}") if counts[frame.name] > 1 and frame.subset else frame
        for frame in frames
    ]


def video_groups(frames: Sequence[Frame]) -> dict[str, str]:
    """Return the name of each sequence's group, which is the same for every export of the same video.

    It is made of the first and the last image: names of tasks and archives change, those do not.
    """
    images: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        if frame.sequence and frame.image and not frame.problem:
            images[frame.sequence].append(frame)
    groups = {}
    for sequence, members in images.items():
        members.sort(key=lambda frame: frame.frame or 0)
        digest = hashlib.sha256()
        for frame in (members[0], members[-1]):
            if frame.image:
                with contextlib.suppress(OSError, ImageError):  # counted as unreadable later
                    digest.update(read_image_file(frame.image))
        groups[sequence] = f"video:{digest.hexdigest()[:16]}"
    return groups
