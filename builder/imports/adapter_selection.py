"""Which adapter reads a network rightly, where several fit its names and shapes: the one whose answers can be boxes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from builder.imports.adapters import Candidate
from builder.imports.errors import GUIDE, UnsupportedModelError
from builder.imports.plausibility import ACCURATE_MAP50, map50
from builder.imports.reference_engine import ReferenceEngine
from evaluation import scores
from evaluation.ground_truth import GroundTruth
from evaluation.parity import MIN_COMPARED_SCORE
from runtime.detector import Detection, Detector
from runtime.image import decode
from runtime.letterbox import Letterbox
from runtime.manifest import Manifest, Postprocess

# Images on which several adapters are tried; annotated ones first.
_TRIED = 8

# Makes the unchanged network with a candidate's decoding.
MakeEngine = Callable[[Candidate], ReferenceEngine]


@dataclass(frozen=True)
class _Trial:
    """What a candidate read from the network on a few images; `reason` says why these are no boxes."""

    candidate: Candidate
    reason: str
    found: int = 0
    map50: float = 0.0


def choose(
    candidates: Sequence[Candidate],
    others: Callable[[], Sequence[Candidate]],
    make_engine: MakeEngine,
    truth: GroundTruth,
    iou_threshold: float,
) -> tuple[Candidate, list[list[Detection]]]:
    """Return the candidate that reads boxes, and the detections on all images.

    Args:
        candidates: From `fitting_adapters`.
        others: Those that would fit if the user had not chosen one; for the message.
        make_engine: See `MakeEngine`.
        truth: The images of the proof.
        iou_threshold: Of the suppression.

    Raises:
        UnsupportedModelError: No candidate reads boxes, or more than one.
    """
    chosen = candidates[0] if len(candidates) == 1 else _best(candidates, make_engine, truth, iou_threshold)
    engine = make_engine(chosen)
    found = detect(engine, truth, iou_threshold)
    if reason := engine.answers.never_boxes() or engine.answers.hardly_boxes(truth, found):
        rest = [candidate for candidate in others() if candidate.name != chosen.name]
        trials = (_try(candidate, make_engine, _few(truth), iou_threshold) for candidate in rest)
        fits = next((trial.candidate.name for trial in trials if trial.found and not trial.reason), "")
        advice = f"Choose --adapter {fits}, whose boxes are plausible." if fits else f"The layouts: {GUIDE}."
        raise UnsupportedModelError(f"read as {chosen.name}, it gives {reason}; expected boxes of objects. {advice}")
    return chosen, found


def detect(engine: ReferenceEngine, truth: GroundTruth, iou_threshold: float) -> list[list[Detection]]:
    """Run the network on all images; thresholds are chosen later, and `detect_all` goes down to a score of its own."""
    cut = Postprocess(0.5, (0.5,) * len(truth.labels), iou_threshold)
    manifest = Manifest("reference", truth.labels, engine.input_size, cut, mask_head=engine.mask_head)
    return scores.detect_all(Detector(engine, manifest), truth)


def _best(
    candidates: Sequence[Candidate], make_engine: MakeEngine, truth: GroundTruth, iou_threshold: float
) -> Candidate:
    trials: list[_Trial] = []
    for images in (_few(truth), truth):
        left = _fitting_values(candidates, make_engine, images)
        if len(left) == 1:
            return left[0]
        trials = [_try(candidate, make_engine, images, iou_threshold) for candidate in left]
        if any(trial.found for trial in trials):  # otherwise the first photos show none of its objects
            break
    usable = [trial for trial in trials if not trial.reason]
    usable = [trial for trial in usable if trial.found] or usable
    if len(usable) > 1:
        first, second, *_ = sorted(usable, key=lambda trial: -trial.map50)
        if first.map50 >= ACCURATE_MAP50 and second.map50 < first.map50 / 2:
            usable = [first]
    usual = [trial for trial in usable if trial.candidate.match.usual]
    # Where nothing is found on any image, the caller says so.
    if usable and (len(usual or usable) == 1 or not usable[0].found):
        return (usual or usable)[0].candidate
    if usable:
        several = " and ".join(trial.candidate.name for trial in usable)
        raise UnsupportedModelError(f"{several} fit its outputs; expected one adapter. Choose it with --adapter.")
    reasons = "; ".join(f"as {trial.candidate.name}, {trial.reason}" for trial in trials)
    raise UnsupportedModelError(f"its outputs are no boxes: {reasons}; expected boxes of objects. Layouts: {GUIDE}.")


def _fitting_values(
    candidates: Sequence[Candidate], make_engine: MakeEngine, truth: GroundTruth
) -> Sequence[Candidate]:
    """Leave out the candidates whose layout the values of the outputs contradict."""
    reasons = {}
    for candidate in candidates:
        engine = make_engine(candidate)
        size = engine.input_size
        images = [decode(truth.data(image), size) for image in truth.images]
        pixels = [Letterbox.fit(image.size, size).pixels(image.pixels) for image in images]
        reasons[candidate.name] = engine.contradiction([engine.outputs(image[None]) for image in pixels])
    if fitting := [candidate for candidate in candidates if not reasons[candidate.name]]:
        return fitting
    shown = [candidate for candidate in candidates if candidate.match.usual] or candidates
    against = ", ".join(f"{candidate.name} ({reasons[candidate.name]})" for candidate in shown)
    raise UnsupportedModelError(
        f"values that contradict each layout of these shapes: {against}; expected one that fits. "
        f"Check the number of labels (none for the background), or see {GUIDE}."
    )


def _try(candidate: Candidate, make_engine: MakeEngine, truth: GroundTruth, iou_threshold: float) -> _Trial:
    engine = make_engine(candidate)
    try:
        found = detect(engine, truth, iou_threshold)
    except UnsupportedModelError as error:
        return _Trial(candidate, str(error).partition(";")[0])
    reason = engine.answers.never_boxes() or engine.answers.hardly_boxes(truth, found)
    count = sum(item.score > MIN_COMPARED_SCORE for items in found for item in items)
    return _Trial(candidate, reason, count, map50(truth, found))


def _few(truth: GroundTruth) -> GroundTruth:
    ordered = sorted(truth.images, key=lambda image: not len(image.boxes))
    return replace(truth, images=tuple(islice(ordered, _TRIED)))
