"""Images that several frames of an export mean: who keeps the file, and whose annotations are put together."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum
from pathlib import Path, PurePosixPath

from preannotate.formats.image_names import folders_of
from preannotate.formats.records import Frame

SHARED_FILE = "one file that several names or tasks mean: not used"
CONTRADICTORY = "annotated differently in several files: not used"


def without_shared_files(frames: Sequence[Frame], *, subsets_are_folders: bool = False) -> tuple[Frame, ...]:
    """Take the file from frames that mean the same one under several names, in several tasks or subsets.

    Images of several folders, or of several video tasks, that were unpacked into one folder overwrite each other. Only
    where one name is that of the file and the others are other spellings of it, that one keeps the file. Frames that
    say the same, or occur again under the very same name, are no contradiction; nor are files of annotations that have
    no label in common, such as one for each class: their shapes of an image are put together. An annotation file that
    lists an image without shapes says nothing about it, unless `subsets_are_folders`: then it is another image.
    """
    owners: dict[Path, list[Frame]] = defaultdict(list)
    labels: dict[str, set[str]] = defaultdict(set)
    for frame in frames:
        labels[frame.subset] |= {shape.label for shape in frame.shapes}
        if frame.image is not None and not frame.problem:
            owners[frame.image].append(frame)
    changed: dict[int, Frame | None] = {}
    for path, members in owners.items():
        if len(members) == 1:
            continue
        if len({(frame.task_id, frame.name) for frame in members}) > 1:
            changed |= {id(f): replace(f, image=None, problem=SHARED_FILE) for f in _without_file(path, members)}
            continue
        annotated = [frame for frame in members if frame.shapes]
        if annotated and not subsets_are_folders:
            changed |= {id(frame): None for frame in members if not frame.shapes}
            members = annotated
        if _contradict(members):
            if not subsets_are_folders and _have_labels_of_their_own([labels[frame.subset] for frame in members]):
                shapes = tuple(shape for frame in members for shape in frame.shapes)
                changed |= dict.fromkeys(map(id, members)) | {id(members[0]): replace(members[0], shapes=shapes)}
            else:
                changed |= {id(f): replace(f, image=None, problem=CONTRADICTORY) for f in members}
    return tuple(kept for f in frames if (kept := changed.get(id(f), f)) is not None)


def _contradict(members: list[Frame]) -> bool:
    """Whether frames of one name say different things, in different subsets."""
    contents = {tuple((shape.label, shape.kind, shape.box) for shape in frame.shapes) for frame in members}
    return len(contents) > 1 and len({frame.subset for frame in members}) > 1


def _have_labels_of_their_own(labels: list[set[str]]) -> bool:
    return all(labels) and len(set.union(*labels)) == sum(map(len, labels))


def _without_file(path: Path, members: list[Frame]) -> list[Frame]:
    """Return those of frames with different names that do not keep their file."""
    claims = [_claim(frame.name, path) for frame in members]
    longest = max(len(frame.name) for frame, claim in zip(members, claims, strict=True) if claim == min(claims))
    if max(claims) >= _Claim.OTHER_CASE or min(claims) != _Claim.SAME_PATH:
        return members
    sure = {
        (frame.task_id, frame.name)
        for frame, claim in zip(members, claims, strict=True)
        if claim == _Claim.SAME_PATH and len(frame.name) == longest
    }
    return members if len(sure) > 1 else [frame for frame in members if (frame.task_id, frame.name) not in sure]


class _Claim(IntEnum):
    """How a name means its file, from sure to unsure."""

    SAME_PATH = 0
    OTHER_SPELLING = 1
    OTHER_CASE = 2
    SHORTER_PATH = 3


def _claim(name: str, path: Path) -> _Claim:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    tail = path.parts[-len(parts) :]
    if tail == parts:
        return _Claim.SAME_PATH
    if tuple(map(str.casefold, tail)) == tuple(map(str.casefold, parts)):
        return _Claim.OTHER_CASE
    folders = folders_of(name)
    if folders and folders_of(path.as_posix())[-len(folders) :] != folders:
        return _Claim.SHORTER_PATH
    return _Claim.OTHER_SPELLING
