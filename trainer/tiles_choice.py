"""Whether a trained model uses tiles (`runtime.tiles`), if it was trained for them (`trainer.tiling`).

It does where that is seen: on the validation images mAP (of masks where they were annotated for a network that learns
them) grows by more than its standard error, and correcting takes fewer seconds, by more than the tiles take to compute.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.corrections import CorrectionCosts
from evaluation.postprocess import PostprocessChoice, choose_postprocess
from preannotate.core.text import format_scores
from runtime.detector import Detection
from runtime.manifest import Tiles
from trainer.training_loop import standard_error
from trainer.validation import ValidationScores, Validator

# Of an image, from its file on. nuclio ends a request after 40 seconds (`builder.function_yaml`), and the machine that
# serves may be several times slower.
MOST_SECONDS = 10.0


@dataclass(frozen=True)
class ValidatedTiles:
    """What the trained network finds with tiles or without.

    Attributes:
        detections: On each validation image, down to a low score.
        milliseconds: That an image takes from its file on, here and now; None if there was nothing to compare.
    """

    tiles: Tiles | None
    detections: Sequence[Sequence[Detection]]
    scores: ValidationScores
    choice: PostprocessChoice
    milliseconds: float | None

    @property
    def seconds(self) -> float:
        """`milliseconds`, which must not be None, in seconds."""
        assert self.milliseconds is not None
        return self.milliseconds / 1000


@dataclass(frozen=True)
class TilesChoice:
    """With or without tiles, and why; `why` is empty, and `tiled` None, if the model was not trained for them."""

    chosen: ValidatedTiles
    whole: ValidatedTiles
    tiled: ValidatedTiles | None
    why: str

    def to_json(self) -> dict[str, Any] | None:
        """Plain JSON for the provenance; None without tiles to choose."""
        if self.tiled is None:
            return None
        return {
            "chosen": self.chosen is self.tiled,
            **{
                name: {
                    "map50": round(one.scores.decisive.map50, 5),
                    "mean_ap": round(one.scores.decisive.mean_ap, 5),
                    "seconds_of_correction": round(one.choice.seconds, 1),
                    "milliseconds": round(1000 * one.seconds, 1),
                }
                for name, one in (("whole", self.whole), ("tiled", self.tiled))
            },
            "why": self.why,
        }


def choose(
    validator: Validator, tiles: Tiles | None, costs: CorrectionCosts, *, iou_threshold: float = 0.5
) -> TilesChoice:
    """Run the trained network on the validation images, with tiles as well if it was trained for them, and choose."""
    if tiles is None:
        whole = _validated(validator, None, validator.detections(), None, costs, iou_threshold)
        return TilesChoice(whole, whole, None, "")
    whole, tiled = (
        _validated(validator, shown, *validator.timed_detections(shown), costs, iou_threshold)
        for shown in (None, tiles)
    )
    images = len(validator.truth)
    before, after = whole.scores.decisive, tiled.scores.decisive
    gain = after.mean_ap - before.mean_ap
    error = max(standard_error(scores.mean_ap, scores.boxes) for scores in (before, after))
    saved = (whole.choice.seconds - tiled.choice.seconds) / images
    spent = tiled.seconds - whole.seconds
    refusal = ""
    if gain <= error:
        refusal = f"mAP does not grow by more than its standard error of {error:.3f}"
    elif saved <= spent:
        refusal = "they take as long as they save"
    elif tiled.seconds > MOST_SECONDS:
        refusal = f"an image would take longer than {MOST_SECONDS:.0f} s"
    compared = ", ".join(
        f"{format_scores(scores.map50, scores.mean_ap)}, {one.choice.seconds / images:.0f} s of corrections "
        f"and {1000 * one.seconds:.0f} ms an image {name}"
        for name, one, scores in (("with tiles", tiled, after), ("with whole images", whole, before))
    )
    name = f"{tiles.per_side} x {tiles.per_side} tiles"
    why = f"{name} are not used, {refusal}: {compared}." if refusal else f"{name} are used: {compared}."
    return TilesChoice(whole if refusal else tiled, whole, tiled, why)


def _validated(
    validator: Validator,
    tiles: Tiles | None,
    detections: Sequence[Sequence[Detection]],
    milliseconds: float | None,
    costs: CorrectionCosts,
    iou_threshold: float,
) -> ValidatedTiles:
    choice = choose_postprocess(validator.labels, validator.truth, detections, costs, iou_threshold=iou_threshold)
    return ValidatedTiles(tiles, detections, validator.scores_of(detections), choice, milliseconds)
