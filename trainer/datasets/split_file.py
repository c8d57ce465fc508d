"""A split that a person chose: a file that names images.

Plain text has one name of a validation image on each line, `#` begins a comment; all other images are for
training. JSON is `{"validation": [names], "train": [names]}`: with both lists, images in neither are
divided by their hash as usual; with one, they go to the other side. A list of names alone is the
validation part.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preannotate.formats.errors import DatasetError
from preannotate.formats.parsing import read_text
from trainer.datasets.names import match_names
from trainer.datasets.sample import Sample
from trainer.datasets.split import TRAIN, VALIDATION

_FORM = 'a list of names or {"train": [names], "validation": [names]}'


def read_split_file(path: Path, samples: Sequence[Sample]) -> dict[str, str]:
    """What the file decides, as `pinned` of `split`.

    Args:
        path: Text or JSON; names as in `match_names`.
        samples: All of them.

    Returns:
        Content to "train" or "validation".

    Raises:
        DatasetError: The file cannot be read, a name means no image, or an image is on both sides.

    """
    lists = _read(path)
    names = [sample.name for sample in samples]
    named = {side: match_names(listed, names, where=path.name) for side, listed in lists.items()}
    contents = {side: {sample.content for sample in samples if sample.name in meant} for side, meant in named.items()}
    both = contents.get(TRAIN, set()) & contents.get(VALIDATION, set())
    if both:
        example = next(sample.name for sample in samples if sample.content in both)
        raise DatasetError(
            f"{path.name}: {example!r} is in train and in validation, by name or by content; "
            f"expected each image on one side. Remove it from one of them."
        )
    pinned = {content: side for side, members in contents.items() for content in members}
    if len(contents) == 1:
        (side,) = contents
        other = TRAIN if side == VALIDATION else VALIDATION
        pinned = {sample.content: other for sample in samples} | pinned
    return pinned


def _read(path: Path) -> dict[str, list[str]]:
    text = read_text(path)
    if not text.lstrip().startswith(("{", "[")):
        lines = (line.strip() for line in text.splitlines())
        return {VALIDATION: [line for line in lines if line and not line.startswith("#")]}
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DatasetError(f"{path.name}: {error}; expected {_FORM}. Correct the file.") from error
    lists = {VALIDATION: content} if isinstance(content, list) else content
    if not lists or not set(lists) <= {TRAIN, VALIDATION} or not all(map(_is_names, lists.values())):
        raise DatasetError(f"{path.name}: another form of JSON; expected {_FORM}. Correct the file.")
    return lists


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
