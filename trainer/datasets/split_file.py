"""A split that a person chose, in a file that names images.

Plain text has one name of a validation image on each line, `#` begins a comment; all other images are for
training. JSON is `{"validation": [names], "train": [names]}`: with both lists, images in neither are
divided by their hash as usual; with one, they go to the other subset. A list of names alone is the
validation part.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preannotate.formats.parsing import read_text
from preannotate.formats.records import DatasetError
from trainer.datasets.frames import match_names
from trainer.datasets.sample import Sample
from trainer.datasets.split import Subset

_FORM = 'a list of names or {"train": [names], "validation": [names]}'


def read_split_file(path: Path, samples: Sequence[Sample]) -> dict[str, Subset]:
    """Read the file, for `pinned` of `split_samples`: content to subset. Names are matched as in `match_names`.

    Raises:
        DatasetError: The file cannot be read, a name means no image, or an image is in both subsets.
    """
    lists = _read_lists(path)
    names = [sample.name for sample in samples]
    named = {subset: match_names(listed, names, where=path.name) for subset, listed in lists.items()}
    contents = {
        subset: {sample.content for sample in samples if sample.name in meant} for subset, meant in named.items()
    }
    both = contents.get(Subset.TRAIN, set()) & contents.get(Subset.VALIDATION, set())
    if both:
        example = next(sample.name for sample in samples if sample.content in both)
        raise DatasetError(
            f"{path.name}: {example!r} is in train and in validation, by name or by content; "
            f"expected each image in one subset. Remove it from one of them."
        )
    pinned = {content: subset for subset, members in contents.items() for content in members}
    if len(contents) == 1:
        (subset,) = contents
        other = Subset.TRAIN if subset == Subset.VALIDATION else Subset.VALIDATION
        pinned = {sample.content: other for sample in samples} | pinned
    return pinned


def _read_lists(path: Path) -> dict[Subset, list[str]]:
    text = read_text(path)
    if not text.lstrip().startswith(("{", "[")):
        lines = (line.strip() for line in text.splitlines())
        return {Subset.VALIDATION: [line for line in lines if line and not line.startswith("#")]}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path.name}: {error}; expected {_FORM}. Correct the file.") from error
    lists = {Subset.VALIDATION.value: content} if isinstance(content, list) else content
    if not lists or not set(lists) <= set(Subset) or not all(map(_is_names, lists.values())):
        raise DatasetError(f"{path.name}: another form of JSON; expected {_FORM}. Correct the file.")
    return {Subset(subset): names for subset, names in lists.items()}


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
