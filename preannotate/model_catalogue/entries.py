"""The files of `functions/catalogue`: one for each ready model.

    title: YOLOX-Nano                    # as its authors call it
    use: 80 everyday objects of COCO     # what it is for, in a few words
    licence: Apache-2.0                  # of the weights; permissive ones only
    page: https://…                      # where its authors describe it
    address: https://…/yolox_nano.onnx   # of the file; without it the file is given with --from
    size: 3659407                        # bytes; without it the first download decides
    sha256: c789…                        # likewise
    adapter: yolox                       # of `builder.imports.adapters`
    input: 416x416                       # where the file leaves it open, or for people
    labels: coco                         # or coco-91 (numbers of COCO's own files, with gaps), or a list of names
    accuracy: mAP 25.8 on COCO val2017   # as its authors publish it
    base_weights: yolox-nano             # the model of this project that a training starts from with the same file

Whoever adds one to a folder of theirs is a stranger: all of it is bounded and checked.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import BuildError
from builder.function_yaml import check_name
from builder.imports import adapters
from preannotate.core.errors import PreannotateError
from preannotate.core.http import is_http_url
from preannotate.core.text import first_of, printable
from runtime import bounded_yaml
from trainer.coco_classes import COCO_CLASSES
from trainer.published_weights import CATALOGUE as BASE_WEIGHTS

# In a checkout, and in an installed package.
_FOLDERS = (Path(__file__).parents[2] / "functions" / "catalogue", Path(__file__).with_name("models"))
LICENCES = ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT")
MAX_BYTES = 1024**3
_LONGEST_TEXT, _LONGEST_NAME, _MOST_LABELS, _LARGEST_SIDE = 300, 256, 20_000, 8192
_NEEDED = {"title", "use", "licence", "page", "adapter", "labels"}
_KNOWN = _NEEDED | {"address", "size", "sha256", "input", "accuracy", "base_weights"}
_SIZE = re.compile(r"([1-9]\d{1,3})x([1-9]\d{1,3})", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
# Numbers from 1 to 90 of COCO's own files that no class has.
_COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)


class CatalogueError(PreannotateError, ValueError):
    """A file of the catalogue is broken, or there is no model of that name."""


@dataclass(frozen=True)
class CatalogueModel:
    """A ready model.

    Attributes:
        name: Of the file, and of the model that `get` makes.
        title: As its authors call it.
        use: What it is for.
        licence: One of `LICENCES`.
        page: Where its authors describe it.
        adapter: What its outputs mean.
        labels: Of the classes, in the order of the network.
        only: Those that are classes; () if all are. Numbers without a class have a label too, which is never answered.
        address: Of its file; None if the file is exported by the user.
        size: Of the file in bytes; None for "kept at the first download". Likewise `sha256`.
        input_size: (width, height); None for that of the file.
        accuracy: As its authors publish it; "" if they do not.
        base_weights: The model of the trainer that starts from the same file; None if there is none.
    """

    name: str
    title: str
    use: str
    licence: str
    page: str
    adapter: str
    labels: tuple[str, ...]
    only: tuple[str, ...] = ()
    address: str | None = None
    size: int | None = None
    sha256: str | None = None
    input_size: tuple[int, int] | None = None
    accuracy: str = ""
    base_weights: str | None = None

    @property
    def max_bytes(self) -> int:
        """No file of this model is larger."""
        return self.size or MAX_BYTES

    @property
    def answers(self) -> tuple[str, ...]:
        """The labels that a function of it answers with, unless the user chooses."""
        return self.only or self.labels


@functools.cache
def read_catalogue() -> Mapping[str, CatalogueModel]:
    """Return all ready models by name; a CatalogueError if a file is broken, or the folder is missing."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    if folder is None:
        raise CatalogueError(f"{_FOLDERS[-1]}: no such folder; expected the catalogue. Install Preannotate again.")
    return {path.stem: read_entry(path) for path in sorted(folder.glob("*.yaml"))}


def find(name: str) -> CatalogueModel:
    """Return a ready model by its name; a CatalogueError if there is none."""
    catalogue = read_catalogue()
    if name not in catalogue:
        raise CatalogueError(
            f"get: {printable(name, 60)!r} is not in the catalogue; expected one of: {', '.join(catalogue)}. "
            f"Run: preannotate catalogue"
        )
    return catalogue[name]


def read_entry(path: Path) -> CatalogueModel:
    """Read a file of the catalogue.

    Raises:
        CatalogueError: It cannot be read, or a value is not what its key wants.
    """
    try:
        return _parse(path.stem, bounded_yaml.read(path))
    except (OSError, ValueError, BuildError) as error:
        raise CatalogueError(
            f"{path}: {printable(str(error))}; expected a model of the catalogue. Correct it."
        ) from error


def _parse(name: str, content: Any) -> CatalogueModel:
    check_name(name)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ValueError("no keys with values")
    if missing := sorted(_NEEDED - content.keys()):
        raise ValueError(f"no {', '.join(missing)}")
    if unknown := sorted(content.keys() - _KNOWN):
        raise ValueError(f"unknown keys {first_of(unknown)}")
    texts = {key: _text(key, content[key]) for key in content.keys() - {"labels", "size"}}
    if texts["licence"] not in LICENCES:
        raise ValueError(f"licence {texts['licence']!r}, which is none of {', '.join(LICENCES)}")
    for key in {"page", "address"} & texts.keys():
        if not is_http_url(texts[key]) or not texts[key].startswith("https://") or "@" in texts[key]:
            raise ValueError(f"{key} {texts[key]!r}, which is not https without a login")
    if texts["adapter"] not in adapters.names():
        raise ValueError(f"adapter {texts['adapter']!r}, which does not exist")
    if "sha256" in texts and not _SHA256.fullmatch(texts["sha256"]):
        raise ValueError(f"sha256 {texts['sha256']!r}, which is not 64 digits of 0-9 and a-f")
    if texts.get("base_weights", next(iter(BASE_WEIGHTS))) not in BASE_WEIGHTS:
        raise ValueError(f"base_weights {texts['base_weights']!r}, which no training starts from")
    size = content.get("size")
    if size is not None and not (type(size) is int and 0 < size <= MAX_BYTES):
        raise ValueError(f"size {size!r}, which is no number of bytes up to {MAX_BYTES}")
    labels, only = _labels(content["labels"])
    return CatalogueModel(
        name,
        title=texts["title"],
        use=texts["use"],
        licence=texts["licence"],
        page=texts["page"],
        adapter=texts["adapter"],
        labels=labels,
        only=only,
        address=texts.get("address"),
        size=size,
        sha256=texts.get("sha256"),
        input_size=_input_size(texts["input"]) if "input" in texts else None,
        accuracy=texts.get("accuracy", ""),
        base_weights=texts.get("base_weights"),
    )


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise ValueError(f"{key} {printable(repr(value), 60)}, which is no text of one line")
    return value.strip()


def _input_size(text: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(text)
    if not found or max(map(int, found.groups())) > _LARGEST_SIDE:
        raise ValueError(f"input {text!r}, which is not WIDTHxHEIGHT in pixels")
    return int(found[1]), int(found[2])


def _labels(value: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels of the network, and those of them that are classes if not all are."""
    if value == "coco":
        return COCO_CLASSES, ()
    if value == "coco-91":
        names = iter(COCO_CLASSES)
        numbered = (f"unused {number}" if number in _COCO_GAPS else next(names) for number in range(1, 91))
        return tuple(numbered), COCO_CLASSES
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_LABELS:
        raise ValueError("labels that are neither coco, nor coco-91, nor a list of names")
    if not all(isinstance(name, str) and name.isprintable() and 0 < len(name) <= _LONGEST_NAME for name in value):
        raise ValueError("a label that is no text")
    if len(set(value)) < len(value):
        raise ValueError("a label that is there twice")
    return tuple(value), ()
