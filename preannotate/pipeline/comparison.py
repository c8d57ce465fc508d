"""`--only-if-better`: the new version and the published one on the same images, which neither was trained on.

The images are the frozen validation images of the new version, without those that the published version was trained
on. Both run as built functions: what is compared is what CVAT would get.
"""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from builder.function_directory import FunctionDirectory
from builder.function_yaml import IMPORTED
from builder.variant_run import detect_with_variant
from builder.variants import VARIANTS
from evaluation import ground_truth
from evaluation.ground_truth import GroundTruth
from evaluation.scores import Scores, of_answers, score, score_masks
from preannotate.core.files import read_json, write_json
from preannotate.core.text import format_scores, plural
from preannotate.pipeline.errors import PipelineError
from preannotate.registry.workspace import VersionFolder
from runtime.detector import Detection
from runtime.manifest import MASK, RECTANGLE, Manifest

KEY = "comparison"
_TRAIN_FILE = "train.json"
# Sums of the same numbers in another order differ in the sixteenth: that is no better model.
_DECIMALS = 6


@dataclass(frozen=True)
class Comparison:
    """Scores of two versions on the same images.

    Attributes:
        published: Number of the published version.
        images: How many are new to both; may be 0.
        map50, mean_ap: Of the new version: of masks for labels that both answer with masks, of boxes for the others.
        map50_published, mean_ap_published: Of the published one.
        box_map50, box_mean_ap: Of the boxes of the new version; None where `map50` is that of boxes alone.
        box_map50_published, box_mean_ap_published: Of the published one.
    """

    published: int
    images: int
    map50: float
    mean_ap: float
    map50_published: float
    mean_ap_published: float
    box_map50: float | None = None
    box_mean_ap: float | None = None
    box_map50_published: float | None = None
    box_mean_ap_published: float | None = None

    @property
    def better(self) -> bool:
        """Whether the new version has the higher mAP50, or at the same mAP50 the higher mAP; a tie is not better."""
        return (self.map50, self.mean_ap) > (self.map50_published, self.mean_ap_published)


def compare(new: VersionFolder, old: VersionFolder) -> Comparison:
    """Compare two versions, or read their earlier comparison, which is kept in the new version's `version.json`.

    Raises:
        BuildError: A function cannot be run.
        PipelineError: A version has no frozen images.
    """
    record = new.record()
    kept = record.get(KEY)
    if kept and kept["published"] == old.number and "mean_ap" in kept:  # earlier releases kept mAP50 alone
        return Comparison(**kept)
    truth = _new_to_both(new, old)
    masked = set.intersection(*(_masked_labels(version, truth) for version in (new, old)))
    comparison = Comparison(old.number, len(truth.images), 0.0, 0.0, 0.0, 0.0)
    if truth.images:
        label_type = dict.fromkeys(masked, MASK)
        images = ground_truth.with_answered_masks(truth.images, lambda class_id: label_type.get(class_id, RECTANGLE))
        found = [_scores(version, replace(truth, images=images)) for version in (new, old)]
        decisive = (_rounded(of_answers(boxes, masks)) for boxes, masks in found)
        comparison = Comparison(old.number, len(truth.images), *itertools.chain.from_iterable(decisive))
        if all(masks is not None for _, masks in found):
            (box_map50, box_mean_ap), (old_map50, old_mean_ap) = (_rounded(boxes) for boxes, _ in found)
            comparison = replace(
                comparison,
                box_map50=box_map50,
                box_mean_ap=box_mean_ap,
                box_map50_published=old_map50,
                box_mean_ap_published=old_mean_ap,
            )
    known = {name: value for name, value in asdict(comparison).items() if value is not None}
    write_json(new.record_file, record | {KEY: known})
    return comparison


def describe(name: str, new: int, comparison: Comparison) -> str:
    """Return why the new version is published or not."""
    if not comparison.images:
        return (
            f"version {new} of {name}: version {comparison.published}, which is published, was trained on all "
            f"validation images; expected some that are new to both. Publish it by hand if you trust it: "
            f"preannotate publish {name} {new}."
        )
    ours, theirs = (
        _describe_scores(*scores)
        for scores in (
            (comparison.map50, comparison.mean_ap, comparison.box_map50, comparison.box_mean_ap),
            (
                comparison.map50_published,
                comparison.mean_ap_published,
                comparison.box_map50_published,
                comparison.box_mean_ap_published,
            ),
        )
    )
    found = (
        f"{ours} against {theirs} of version {comparison.published}, which is published, on "
        f"{plural(comparison.images, 'image')} that neither was trained on"
    )
    if comparison.better:
        return f"version {new} of {name}: {found}"
    return (
        f"version {new} of {name}: {found}; expected a higher one, so it is not published. Annotate more frames, "
        f"or publish it all the same: preannotate publish {name} {new}."
    )


def _describe_scores(map50: float, mean_ap: float, box_map50: float | None, box_mean_ap: float | None) -> str:
    if box_map50 is None:
        return format_scores(map50, mean_ap)
    return f"masks {format_scores(map50, mean_ap)} (boxes {format_scores(box_map50, box_mean_ap)})"


def _new_to_both(new: VersionFolder, old: VersionFolder) -> GroundTruth:
    try:
        truth = ground_truth.read(new.function / "validation")
    except ValueError as error:
        raise PipelineError(str(error)) from error
    trained_on = _contents(old)
    images = [image for image in truth.images if hashlib.sha256(truth.data(image)).hexdigest() not in trained_on]
    return GroundTruth(truth.folder, truth.labels, tuple(images))


def _contents(version: VersionFolder) -> set[str]:
    """The training images of a version, by their content."""
    path = version.run / "data" / _TRAIN_FILE
    content = read_json(path)
    if content is None and IMPORTED in FunctionDirectory.open(version.function).manifest.provenance:
        return set()  # it was trained elsewhere, on other images
    if content is None:
        raise PipelineError(
            f"{path}: not found; expected the list of images that version {version.number} was trained on."
        )
    return {sample["content"] for sample in content["samples"]}


def _masked_labels(version: VersionFolder, truth: GroundTruth) -> set[int]:
    """Return the labels, as numbers of the ground truth's, that a version's function answers with masks."""
    manifest = FunctionDirectory.open(version.function).manifest
    names = _label_names(version, truth)
    return {
        truth.labels.index(name)
        for class_id, name in enumerate(names)
        if name in truth.labels and manifest.label_type(class_id) != RECTANGLE
    }


def _scores(version: VersionFolder, truth: GroundTruth) -> tuple[Scores, Scores | None]:
    """Return the scores of boxes and of masks of a version's function; None for masks where the truth has none."""
    function = FunctionDirectory.open(version.function)
    answers = detect_with_variant(VARIANTS["cpu"], function.path, function.manifest, truth)
    # An answer with a mask or a polygon has no other box.
    detections = answers.served if function.manifest.mask_head is None else answers.direct
    named = _by_name(detections, _label_names(version, truth), truth.labels)
    return score(truth.labels, truth.images, named), score_masks(truth.labels, truth.images, named)


def _label_names(version: VersionFolder, truth: GroundTruth) -> list[str]:
    """Return the name of each class: that in function.yaml, or the one of the training if no annotation has that."""
    function = FunctionDirectory.open(version.function)
    renamed = zip(function.labels, Manifest.read(function.path).labels, strict=True)
    return [now if now in truth.labels else trained for now, trained in renamed]


def _rounded(found: Scores) -> tuple[float, float]:
    return round(found.map50, _DECIMALS), round(found.mean_ap, _DECIMALS)


def _by_name(
    detections: Sequence[Sequence[Detection]], names: Sequence[str], labels: Sequence[str]
) -> list[list[Detection]]:
    """Replace class ids, which index `names`, by those of `labels`; detections of other classes do not count."""
    ids = {class_id: labels.index(name) for class_id, name in enumerate(names) if name in labels}
    return [
        [replace(one, label=names[one.class_id], class_id=ids[one.class_id]) for one in found if one.class_id in ids]
        for found in detections
    ]
