"""Which labels of a network a function answers with, and what they are called there.

A network of eighty classes fits a task of two labels if it answers with these two alone, under the task's names.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from builder.errors import BuildError
from preannotate.core.text import first_of, plural, printable, split_list

_SHOWN_LABELS = 4


@dataclass(frozen=True)
class LabelChoice:
    """What the user asked for.

    Attributes:
        only: Labels of the network to answer with; () for all.
        renamed: Label of the network to the name that it gets.
    """

    only: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, only: str | None, rename: Sequence[str]) -> "LabelChoice":
        """Read `--only person,car` and `--rename person=worker`, which may be there several times.

        Raises:
            BuildError: A quotation mark that is not closed, a pair without `=`, or a label that is renamed twice.
        """
        renamed: dict[str, str] = {}
        for pair in [pair for text in rename for pair in _split("--rename", text)]:
            old, found, new = (part.strip() for part in pair.partition("="))
            if not (old and found and new):
                raise BuildError(
                    f"--rename: {printable(pair, 60)!r}; expected LABEL=NAME, as in person=worker. Write it so."
                )
            if old in renamed:
                raise BuildError(
                    f"--rename: {printable(old, 60)!r} is renamed twice; expected one name for it. Leave one out."
                )
            renamed[old] = new
        return cls(tuple(_split("--only", only or "")), renamed)

    def apply(self, labels: Sequence[str]) -> "ChosenLabels":
        """Choose among the labels of a network.

        Raises:
            BuildError: A label that the network has not, or that is not among those chosen; or two with one name.
        """
        if len(set(self.only)) < len(self.only):
            twice = next(name for name in self.only if self.only.count(name) > 1)
            raise BuildError(f"--only: {printable(twice, 60)!r} is there twice; expected each label once. Correct it.")
        kept = tuple(_index("--only", name, labels) for name in self.only) or tuple(range(len(labels)))
        for name in self.renamed:
            if _index("--rename", name, labels) not in kept:
                raise BuildError(
                    f"--rename: {printable(name, 60)!r} is not in --only; expected one of "
                    f"{first_of(self.only, _SHOWN_LABELS)}. Add it to --only, or leave it out."
                )
        names = tuple(self.renamed.get(labels[index], labels[index]) for index in kept)
        for name in names:
            if names.count(name) > 1:
                old = [labels[index] for index, new in zip(kept, names, strict=True) if new == name]
                raise BuildError(
                    f"--rename: {first_of(old, _SHOWN_LABELS)} would have the same name {printable(name, 60)!r}; "
                    f"expected each name once, as CVAT does. Choose another name, or leave labels out with --only."
                )
        return ChosenLabels(kept, names, narrowed=kept != tuple(range(len(labels))))


@dataclass(frozen=True)
class ChosenLabels:
    """What a function answers with.

    Attributes:
        kept: Class ids of the network, in the order of `names`.
        names: As the function calls them.
        narrowed: Whether classes of the network are left out or in another order.
    """

    kept: tuple[int, ...]
    names: tuple[str, ...]
    narrowed: bool


def _split(option: str, text: str) -> list[str]:
    try:
        return split_list(text)
    except ValueError as error:
        raise BuildError(
            f"{option}: {error}; expected items with commas between them. Close the quotation mark."
        ) from error


def _index(option: str, name: str, labels: Sequence[str]) -> int:
    """Return the class id of a label; raises a BuildError that names labels like it if there is none."""
    if name in labels:
        return list(labels).index(name)
    near = difflib.get_close_matches(name.lower(), labels, n=3, cutoff=0.5) or labels[:_SHOWN_LABELS]
    raise BuildError(
        f"{option}: {printable(name, 60)!r} is none of the model's {plural(len(labels), 'label')}; expected one such "
        f"as {first_of(near, _SHOWN_LABELS)}. Correct it."
    )
