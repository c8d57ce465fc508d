"""`--only-if-better`: the new version and the published one on the same images, which neither was trained on.

The images are the new version's frozen validation images, without those that the published version learnt from. Both
are asked through their built functions: what is compared is what CVAT would get.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from builder.proof import detect_with_variant
from builder.variants import VARIANTS
from evaluation import ground_truth
from evaluation.ground_truth import GroundTruth
from evaluation.scores import score
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import VersionFolder, read_json, write_json
from runtime.detector import Detection
from runtime.manifest import Manifest

KEY = "comparison"
_TRAIN_FILE = "train.json"
# Sums of the same numbers in another order differ in the sixteenth: that is no better model.
_DECIMALS = 6


@dataclass(frozen=True)
class Comparison:
    """What came of it.

    Attributes:
        published: Number of the version that CVAT sees.
        images: How many both were asked about; 0 if there was none that is new to both.
        map50: Of the new version.
        map50_published: Of the published one.
    """

    published: int
    images: int
    map50: float
    map50_published: float

    @property
    def better(self) -> bool:
        """Whether the new version wins; a tie is none."""
        return self.map50 > self.map50_published


def compare(new: VersionFolder, old: VersionFolder) -> Comparison:
    """Compare, or read what an earlier comparison of the two said; kept in the new version's `version.json`.

    Raises:
        BuildError: A function cannot be asked.
        WorkspaceError: A version has no frozen images.
    """
    record = new.record()
    kept = record.get(KEY)
    if kept and kept["published"] == old.number:
        return Comparison(**kept)
    truth = _unseen(new, old)
    comparison = Comparison(old.number, len(truth.images), *(_map50(one, truth) for one in (new, old)))
    write_json(new.record_file, record | {KEY: asdict(comparison)})
    return comparison


def describe(name: str, new: int, comparison: Comparison) -> str:
    """Why the new version is published or not."""
    if not comparison.images:
        return (
            f"version {new} of {name}: version {comparison.published}, which is published, was trained on all "
            f"validation images; expected some that are new to both. Publish it by hand if you trust it: "
            f"preannotate publish {name} {new}."
        )
    found = (
        f"mAP50 {comparison.map50:.3f} against {comparison.map50_published:.3f} of version {comparison.published}, "
        f"which is published, on {comparison.images} images that neither was trained on"
    )
    if comparison.better:
        return f"version {new} of {name}: {found}"
    return (
        f"version {new} of {name}: {found}; expected a higher one, so it is not published. Annotate more frames, "
        f"or publish it all the same: preannotate publish {name} {new}."
    )


def _unseen(new: VersionFolder, old: VersionFolder) -> GroundTruth:
    try:
        truth = ground_truth.read(new.function / "validation")
    except ValueError as error:
        raise WorkspaceError(str(error)) from error
    learnt = _contents(old)
    images = [image for image in truth.images if hashlib.sha256(truth.data(image)).hexdigest() not in learnt]
    return GroundTruth(truth.folder, truth.labels, tuple(images))


def _contents(version: VersionFolder) -> set[str]:
    """The training images of a version, by their content."""
    path = version.run / "data" / _TRAIN_FILE
    content = read_json(path)
    if content is None:
        raise WorkspaceError(f"{path}: is not there; expected the images that version {version.number} was trained on.")
    return {sample["content"] for sample in content["samples"]}


def _map50(version: VersionFolder, truth: GroundTruth) -> float:
    if not truth.images:
        return 0.0
    directory = version.function / "nuclio"
    manifest = Manifest.read(directory)
    own = GroundTruth(truth.folder, manifest.labels, truth.images)
    served = detect_with_variant(VARIANTS["cpu"], directory, manifest, own).served
    return round(score(truth.labels, truth.images, _by_name(served, truth.labels)).map50, _DECIMALS)


def _by_name(detections: Sequence[Sequence[Detection]], labels: Sequence[str]) -> list[list[Detection]]:
    """With the class ids of `labels`; what the other version finds beside them does not count."""
    ids: dict[str, Any] = {label: index for index, label in enumerate(labels)}
    return [
        [Detection(one.label, ids[one.label], one.score, one.box) for one in found if one.label in ids]
        for found in detections
    ]
