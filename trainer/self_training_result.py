"""What self-training achieved, for `summary.json` and for people."""

from typing import TypedDict

from preannotate.core.text import format_scores, plural


class SelfTrainingResult(TypedDict):
    """Result of self-training.

    Attributes:
        images: Without annotations.
        boxes: That the network gave these images, at the last time that each was trained on.
        kept: Whether its weights were kept; otherwise those of the training before are the model.
        plain_map50, plain_mean_ap: Validation of the training before.
        map50, mean_ap: Of the weights that were kept; `batch_statistics.renew` may raise them afterwards.
    """

    images: int
    boxes: int
    kept: bool
    plain_map50: float
    plain_mean_ap: float
    map50: float
    mean_ap: float


def describe(result: SelfTrainingResult) -> str:
    """Return one sentence."""
    what = (
        f"self-training on {plural(result['images'], 'image')} without annotations, which were given "
        f"{plural(result['boxes'], 'box', 'boxes')}"
    )
    before = format_scores(result["plain_map50"], result["plain_mean_ap"])
    if not result["kept"]:
        return f"{what}: validation mAP fell, so the model from before is kept ({before})"
    return f"{what}: {before} before, {format_scores(result['map50'], result['mean_ap'])} after, on validation images"
