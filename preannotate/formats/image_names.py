"""What the name of an image says: its folders, its split, its number in a video; and how else it may be spelt.

Names in annotation files come with and without folders and extensions, in another case, with `data/` in front, as URLs,
with percent escapes, composed or decomposed Unicode, in another code page.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TypedDict
from urllib.parse import parse_qs, unquote

from preannotate.formats.image_kinds import without_extension
from preannotate.formats.records import Frame

# CVAT's name of a video frame; "_1" is added where two tasks of a project collide.
_VIDEO_FRAME = re.compile(r"frame_(\d{6,15})(?:_\d+)?$")
# Names of folders that say what kind of files is in them, and not which: `images`, `JPEGImages`, `yolo_txt`, ….
_KIND_FOLDER = re.compile(
    r"[./]*|(?:(?:jpeg)?images?|imgs?|jpe?gs?|pngs?|pic(?:ture)?s?|photos?|frames|data|dataset|obj|default|labels?"
    r"|ann(?:otation)?s?|bbox(?:es)?|boxes|xmls?|txts?|jsons?|yolo|voc|coco)(?:[ _-](?:images?|imgs?|labels?"
    r"|ann(?:otation)?s?|bbox(?:es)?|boxes|xmls?|txts?|jsons?|yolo|voc|coco|data|files?))*",
    re.IGNORECASE,
)
_SPLIT = re.compile(
    r"(?:obj_)?(?:(?P<train>train(?:ing)?)|(?P<val>val(?:id|idation)?|dev)|(?P<test>test(?:ing)?))"
    r"(?:_?data|_?set)?(?:20\d\d)?(?:_?(?:images?|imgs?|labels?))?",
    re.IGNORECASE,
)
SPLITS = frozenset(["train", "val", "test"])
# What a name without a file may have become: written in one code page, shown in another.
_WRITTEN = ("utf-8", "cp437", "cp850", "cp866", "cp1251", "cp1252", "cp932", "gb18030", "big5", "cp949", "euc_jp")
_SHOWN = ("cp437", "cp1252", "latin-1", "cp850", "cp866", "cp1251")
# Of a path on any system.
LONGEST_NAME = 4096


def video_frame(name: str) -> int | None:
    """Return the number in CVAT's name of a video frame (`frame_000012`, with or without extension), else None."""
    match = _VIDEO_FRAME.match(without_extension(PurePosixPath(name).name))
    return int(match[1]) if match else None


class VideoPosition(TypedDict):
    """`Frame.sequence` and `Frame.frame`; None twice for an image that is no video frame."""

    sequence: str | None
    frame: int | None


def video_position(name: str, part: str = "") -> VideoPosition:
    """Return where the image called `name` lies in a video.

    `part` is the subset or task of the frame: equal names in two parts belong to two videos.
    """
    number = video_frame(name)
    return {"sequence": None if number is None else f"{part}/{PurePosixPath(name).parent}", "frame": number}


def split_of(annotation_file: Path) -> str:
    """Return "train", "val" or "test" if the stem of an annotation file or its folder says so, else ""."""
    stem = re.sub(r"^_?(instances|annotations|labels|person_keypoints)_", "", annotation_file.stem)
    return _split(stem) or _split(annotation_file.parent.name)


def folders_of(path: str) -> tuple[str, ...]:
    """Return the folders of a path that say which file it is, without case; names of splits in one spelling."""
    return _folders(path.replace("\\", "/").rpartition("/")[0])


@lru_cache(maxsize=1 << 16)
def _folders(parent: str) -> tuple[str, ...]:
    return tuple(folder_key(part) for part in parent.split("/") if not _KIND_FOLDER.fullmatch(part))


def folder_key(part: str) -> str:
    """Return what is compared of a folder's name: the split that it means, or the name without case."""
    return _split(part) or unicodedata.normalize("NFC", part).casefold()


def name_key(name: str) -> str:
    """Return what is compared of a file's name: without extension and case."""
    return unicodedata.normalize("NFC", without_extension(name)).casefold()


def spellings(name: str, *, misread: bool = False) -> Iterator[str]:
    """Yield the name as it is, then without what a URL has around it, then, if `misread`, in other code pages."""
    yield name
    slashed = name.strip().replace("\\", "/")
    if slashed != name:
        yield slashed
    plain = _without_url(slashed)
    if plain != slashed:
        yield plain
    if unquote(plain) != plain:
        yield unquote(plain)
    if misread and not slashed.isascii():
        yield from _misread(slashed)


def with_plain_names(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """Take from names what a URL has around the name of its file, and percent escapes where the file has none."""
    return tuple(replace(f, name=_plain_name(f.name, f.image)) if f.image is not None else f for f in frames)


def _split(word: str) -> str:
    match = _SPLIT.fullmatch(word)
    return str(match.lastgroup) if match else ""


def _plain_name(name: str, image: Path) -> str:
    plain = name.replace("\\", "/")
    if "%" not in plain and "?" not in plain and "://" not in plain:
        return plain
    variants = ((variant, PurePosixPath(variant).name) for variant in spellings(plain))
    return next((v.lstrip("/") for v, last in variants if last in (image.name, without_extension(image.name))), plain)


def _without_url(name: str) -> str:
    scheme, mark, rest = name.partition("://")
    path, _, query = (rest.partition("/")[2] if mark and scheme.isalnum() else name).partition("?")
    # Label Studio serves local files as /data/local-files/?d=folder/a.jpg.
    inner = parse_qs(query).get("d", [""])[0] if path.endswith("/local-files/") else ""
    return inner or path


def _misread(name: str) -> Iterator[str]:
    """Yield what a name becomes when its bytes are read in another code page than they were written in."""
    seen = {name}
    for written in _WRITTEN:
        try:
            data = unicodedata.normalize("NFC", name).encode(written)
        except UnicodeEncodeError:
            continue
        for shown in _SHOWN:
            text = data.decode(shown, errors="replace")
            if text not in seen and "\ufffd" not in text:
                seen.add(text)
                yield text.replace("\\", "/")
        yield data.decode("utf-8", errors="surrogateescape")  # a file system keeps bytes that are no UTF-8
