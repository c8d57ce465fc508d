"""Images that occur more than once: in two exports, or as CVAT's honeypots."""

from trainer.datasets.health import Found
from trainer.datasets.sample import Sample


def without_repeats(samples: list[Sample], found: Found) -> tuple[Sample, ...]:
    """Leave out what says nothing new about an image that is there already."""
    annotated = {sample.content: sample.name for sample in samples if len(sample.boxes)}
    kept: dict[str, list[Sample]] = {}
    result = []
    for sample in samples:
        if not len(sample.boxes) and sample.content in annotated:
            found.duplicates.append([sample.name, annotated[sample.content]])
            found.unannotated_used -= 1
            continue
        same = kept.setdefault(sample.content, [])
        equal = next((other for other in same if _same_boxes(other, sample)), None)
        if equal is not None:
            found.duplicates.append([sample.name, equal.name])
            continue
        if same:
            found.conflicts.append(sample.name)
        same.append(sample)
        result.append(sample)
    return tuple(result)


def _same_boxes(left: Sample, right: Sample) -> bool:
    def rows(sample: Sample) -> list[tuple[float, ...]]:
        return sorted((c, *b) for c, b in zip(sample.class_ids.tolist(), sample.boxes.tolist(), strict=True))

    return rows(left) == rows(right)
