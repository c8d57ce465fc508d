"""Divides samples into training and validation, by the hash of their content.

The rule, in order:

1. Images that must stay together form a *unit*: a video's frames, and all images of equal content
   (which join the units they belong to). An image of its own is its own unit.
2. A unit's *position* is a hash in [0, 1): of its content for an image of its own, of its group's name for
   a video (`loading` makes the name from the video's content). It depends on nothing else. Units
   below `fraction` are validation.
3. Repair, rarest class first: a class in at least two units gets at least one in each subset, the next by
   position.
4. A video that holds more than half of all images is cut into blocks of consecutive frames first, each a
   unit: given whole to either subset, it would leave nothing to train on or nothing to measure.

What follows: adding images never changes a position, so an image that is in validation by rule 2 stays
there whatever is added, unless all images of one of its classes are. An image that only rule 3 or 4 brought
there may go back to training once another
image takes its place. No rule without memory can avoid this: one that is never empty and never
shrinks would have to put all but a few images into validation. So a later run over more images passes the
subsets of the earlier one as `pinned`: then nothing moves.

How often an image does go back without memory, when a set of single images is doubled (200 random sets each):
in 81 % of sets of 10 images with 3 classes, 20 % of 10 with 1 class, 18 % of 50 with 3 classes, 3 % of 119 with
4, none of 300 with 4.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from preannotate.formats.records import DatasetError
from trainer.datasets.sample import Sample


class Subset(StrEnum):
    """What an image is used for."""

    TRAIN = "train"
    VALIDATION = "validation"


FRACTION = 0.15
# A video is cut if it holds more than this part of all images; a smaller one goes whole to one subset.
_DOMINATES = 0.5
# Longer blocks have fewer neighbours across a cut; five are enough for one to be validation.
_BLOCK_LENGTHS = (100, 50, 25, 10, 5, 1)
_BLOCKS = 5
# In pixels.
_SMALLEST_OBJECT = 2


@dataclass(frozen=True)
class Split:
    """Samples for training and for validation."""

    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    notes: tuple[str, ...] = ()

    def subsets(self) -> dict[str, Subset]:
        """Return the subset of each content, for `pinned` of a later split."""
        subsets = {sample.content: Subset.TRAIN for sample in self.train}
        return subsets | {sample.content: Subset.VALIDATION for sample in self.validation}


@dataclass
class _Unit:
    samples: list[Sample]
    position: float
    subset: Subset = Subset.TRAIN
    pinned: bool = False
    classes: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self.classes = frozenset(c for sample in self.samples for c in sample.class_ids.tolist())


def split_samples(
    samples: Sequence[Sample], *, fraction: float = FRACTION, pinned: Mapping[str, Subset] | None = None
) -> Split:
    """Divide samples by the rule above.

    Args:
        samples: At least two units.
        fraction: Expected part of the units in validation, in (0, 1).
        pinned: Content to subset, kept whatever else holds; see `Split.subsets`. What
            belongs to a pinned image's unit goes with it, to training if the unit is pinned to both. A class
            may then be missing in one subset, which `notes` says.

    Raises:
        DatasetError: One subset would be empty.
    """
    groups, notes = _groups(samples)
    units = _units(samples, groups)
    for unit in units:
        unit.subset = Subset.VALIDATION if unit.position < fraction else Subset.TRAIN
    if pinned:
        units = [part for unit in units for part in _pin(unit, pinned)]
    _repair(units)
    subsets = {unit.subset for unit in units}
    if len(subsets) < 2:
        empty = Subset.TRAIN if subsets == {Subset.VALIDATION} else Subset.VALIDATION
        raise DatasetError(
            f"split: no image of {len(samples)} for {empty}; expected some in each subset. "
            f"Annotate more images, or name fewer in --split-file."
        )
    notes += _missing(units)
    subset_of = {id(sample): unit.subset for unit in units for sample in unit.samples}
    return Split(
        tuple(sample for sample in samples if subset_of[id(sample)] == Subset.TRAIN),
        tuple(sample for sample in samples if subset_of[id(sample)] == Subset.VALIDATION),
        tuple(notes),
    )


def without_unreviewed(split: Split) -> Split:
    """Leave out validation images with objects that are not learnt, such as automatic ones, unless all have some.

    A detection there may be right, and would count as a false positive.
    """
    kept = tuple(sample for sample in split.validation if not _hides_objects(sample))
    left_out, all_of_them = len(split.validation) - len(kept), len(split.validation)
    if not left_out:
        return split
    why = f"{left_out} of {all_of_them} validation images have shapes that were left out"
    if not kept:
        return replace(
            split, notes=(*split.notes, f"{why}: detections there count as false positives. Correct them in CVAT.")
        )
    return replace(split, validation=kept, notes=(*split.notes, f"{why}: they are left out of validation."))


def _hides_objects(sample: Sample) -> bool:
    """Whether an ignore region is large enough to be detected as an object; that of an accidental click is not."""
    sides = sample.ignored[:, 2:] - sample.ignored[:, :2]
    return bool((sides >= _SMALLEST_OBJECT).all(axis=1).any())


def _missing(units: Sequence[_Unit]) -> Iterable[str]:
    everything = frozenset().union(*(unit.classes for unit in units))
    for subset in Subset:
        missing = everything.difference(*(unit.classes for unit in units if unit.subset == subset))
        if missing:
            yield f"{len(missing)} of {len(everything)} classes have no image in {subset}."


def _groups(samples: Sequence[Sample]) -> tuple[list[str], list[str]]:
    """Return the group of each sample after videos that dominate were cut, and notes about it."""
    sizes: dict[str, int] = defaultdict(int)
    for sample in samples:
        sizes[sample.group] += 1
    groups = [sample.group for sample in samples]
    notes = []
    for group, size in sizes.items():
        if size == 1 or size <= _DOMINATES * len(samples):
            continue
        members = [index for index, sample in enumerate(samples) if sample.group == group]
        if len({samples[index].content for index in members}) == 1:
            continue
        numbers = ((index, samples[index].frame) for index in members)
        frames = {index: index if number is None else number for index, number in numbers}
        length = next(
            length for length in _BLOCK_LENGTHS if length == 1 or len({f // length for f in frames.values()}) >= _BLOCKS
        )
        for index, frame in frames.items():
            groups[index] = f"{group}#{length}x{frame // length}"
        notes.append(
            f"{size} of {len(samples)} images are one video, which was cut into blocks of {length} frames: "
            f"validation images resemble training images, and mAP on another video will be lower."
        )
    return groups, notes


def _units(samples: Sequence[Sample], groups: Sequence[str]) -> list[_Unit]:
    """Join samples that share a group or a content."""
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            leader[key] = key = leader[leader[key]]
        return key

    for sample, group in zip(samples, groups, strict=True):
        leader[find(f"group:{group}")] = find(f"content:{sample.content}")
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[find(f"group:{group}")].append(index)
    return [
        _Unit([samples[i] for i in indices], min(_position(samples[i], groups[i]) for i in indices))
        for indices in members.values()
    ]


def _position(sample: Sample, group: str) -> float:
    """Return where a sample's group lies in [0, 1)."""
    key = sample.content if group == f"image:{sample.content}" else group
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48


def _pin(unit: _Unit, pinned: Mapping[str, Subset]) -> list[_Unit]:
    """Return the unit in its pinned subset; in two parts if its images were pinned to both."""
    subsets = {pinned[sample.content] for sample in unit.samples if sample.content in pinned}
    if not subsets:
        return [unit]
    rest = subsets.pop() if len(subsets) == 1 else Subset.TRAIN
    parts: dict[Subset, list[Sample]] = defaultdict(list)
    for sample in unit.samples:
        parts[pinned.get(sample.content, rest)].append(sample)
    return [_Unit(members, unit.position, subset, pinned=True) for subset, members in parts.items()]


def _repair(units: list[_Unit]) -> None:
    """Move as few units as needed for each class to be in both subsets."""
    having: dict[int | None, list[_Unit]] = {None: units}  # None: any image
    for unit in units:
        for class_id in unit.classes:
            having.setdefault(class_id, []).append(unit)
    rarest_first = sorted(having, key=lambda c: (len(having[c]), c is None, c or 0))
    for rarest in rarest_first:
        members = having[rarest]
        if len(members) > 1:
            _move(members, Subset.VALIDATION, having, total=sum(len(unit.samples) for unit in units))
            _move(members, Subset.TRAIN, having, total=0)


def _move(members: list[_Unit], subset: Subset, having: Mapping[int | None, list[_Unit]], *, total: int) -> None:
    """Bring a unit to `subset` if none of `members` is there and one may go."""
    if any(unit.subset == subset for unit in members):
        return
    candidates = [unit for unit in members if not unit.pinned]
    # First what takes no class from the other subset, then what is no large part of all images.
    candidates.sort(
        key=lambda unit: (
            _is_last(unit, having),
            bool(total) and len(unit.samples) > _DOMINATES * total,
            unit.position if subset == Subset.VALIDATION else -unit.position,
        )
    )
    if candidates:
        candidates[0].subset = subset


def _is_last(unit: _Unit, having: Mapping[int | None, list[_Unit]]) -> bool:
    """Whether a class that is in the unit's subset would vanish from there with it."""
    return any(
        sum(other.subset == unit.subset for other in having[class_id]) == 1
        for class_id in (None, *unit.classes)
        if len(having[class_id]) > 1
    )
