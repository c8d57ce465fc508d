"""`model.json`: what the network expects, how its output becomes detections, and where it comes from.

Written by the trainer, read by every serving process: the artefact describes itself.
"""

import enum
import json
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runtime.errors import ManifestError

FORMAT = 1
FILE_NAME = "model.json"
# Grey of ImageNet's mean: to a network that centres its input, padding is then "nothing".
PADDING = (124, 116, 104)
# Of `Tiles`: with the whole image seventeen runs of the network, whatever image comes.
MOST_PER_SIDE = 4
# Of `MaskHead`: CondInst and RTMDet-Ins have three.
MAX_MASK_LAYERS = 8

# CVAT's types of labels that a function can fill. A mask fills labels of type polygon too, and the other way round.
RECTANGLE, POLYGON, MASK = "rectangle", "polygon", "mask"
LABEL_TYPES = (RECTANGLE, POLYGON, MASK)


class MaskKind(enum.StrEnum):
    """Which further outputs a network has, from which `runtime.mask_composition` makes the masks of objects."""

    PROTOTYPES = "prototypes"
    KERNELS = "kernels"
    BOX_MASKS = "box_masks"


@dataclass(frozen=True)
class MaskHead:
    """That a network gives masks, and how to read its outputs.

    Attributes:
        kind: Chooses the outputs; see `runtime.engines.Engine`.
        layers: Of `KERNELS`: output channels of each dynamic 1x1 convolution, the last 1. Else empty.
    """

    kind: MaskKind
    layers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Postprocess:
    """How raw boxes and scores become detections.

    Attributes:
        threshold: Score from which a detection counts if its class has no own threshold, in [0, 1].
        thresholds: One per class, in the order of the labels; used when a request names none.
        iou_threshold: Overlap above which the lower-scored of two boxes of one class is dropped.
        max_detections: At most so many detections for an image, the best-scored ones.
        agnostic_iou_threshold: Overlap above which the lower-scored of two boxes is dropped whatever their classes are:
            one object whose class is in doubt gets one box (see `runtime.detector.SHOWN_FROM`). None keeps both; so do
            files without this key.
    """

    threshold: float
    thresholds: tuple[float, ...]
    iou_threshold: float = 0.5
    max_detections: int = 300
    agnostic_iou_threshold: float | None = None


@dataclass(frozen=True)
class Tiles:
    """Parts of an image that the network sees beside the whole image (`runtime.tiles`).

    Attributes:
        per_side: At most so many beside and below each other, from 2 to `MOST_PER_SIDE`.
        overlap: Part of a tile's side that the next one has, too, from 0.1 to 0.5.
    """

    per_side: int
    overlap: float = 0.2

    @property
    def zoom(self) -> float:
        """How much larger an object is in a tile than in the whole image."""
        return self.per_side - (self.per_side - 1) * self.overlap


@dataclass(frozen=True)
class Manifest:
    """The content of `model.json`.

    Attributes:
        family: The trainer's name of the model, for people.
        labels: Names of the classes; the index is the class id.
        input_size: (width, height) of the network's input in pixels.
        provenance: Dataset fingerprint, split, seed, arguments, versions, metrics: free-form JSON.
        mask_head: None for a network that gives boxes only; so do files without this key.
        label_types: CVAT's type of each label, of `LABEL_TYPES`; empty for the default, which is "mask" for a network
            that gives masks and else "rectangle". `function.yaml` may change them.
        tiles: None shows the network whole images only; so do files without this key.
    """

    family: str
    labels: tuple[str, ...]
    input_size: tuple[int, int]
    postprocess: Postprocess
    provenance: Mapping[str, Any] = field(default_factory=dict)
    mask_head: MaskHead | None = None
    label_types: tuple[str, ...] = ()
    tiles: Tiles | None = None

    def label_type(self, class_id: int) -> str:
        """Return CVAT's type of a label: what is answered for an object of this class."""
        if self.mask_head is None:
            return RECTANGLE
        return self.label_types[class_id] if self.label_types else MASK

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Read and check `model.json`.

        Args:
            path: The file, or the directory that holds it.

        Raises:
            ManifestError: With the place and the remedy in one sentence.
        """
        path = Path(path)
        path = path / FILE_NAME if path.is_dir() else path
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ManifestError(
                f"{path}: no such file; expected the manifest of a trained model. Run `preannotate build` again."
            ) from error
        except (OSError, ValueError, RecursionError) as error:
            raise ManifestError(f"{path}: {error}; expected a JSON object. Build the function again.") from error
        return _parse(content, path)

    def write(self, path: Path) -> None:
        """Write the file; `read` gives an equal manifest back."""
        content = {
            "format": FORMAT,
            "family": self.family,
            "labels": list(self.labels),
            "input_size": list(self.input_size),
            "padding": list(PADDING),
            "postprocess": {
                "threshold": self.postprocess.threshold,
                "thresholds": list(self.postprocess.thresholds),
                "iou_threshold": self.postprocess.iou_threshold,
                "max_detections": self.postprocess.max_detections,
                "agnostic_iou_threshold": self.postprocess.agnostic_iou_threshold,
            },
            "tiles": None if self.tiles is None else asdict(self.tiles),
            **self._masks(),
            "provenance": dict(self.provenance),
        }
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        Path(path).write_text(text + "\n", encoding="utf-8")

    def _masks(self) -> dict[str, Any]:
        """Keys that the file of a network without masks does not have."""
        if self.mask_head is None:
            return {}
        layers = {"layers": list(self.mask_head.layers)} if self.mask_head.layers else {}
        types = {"label_types": list(self.label_types)} if self.label_types else {}
        return {"mask_head": {"kind": self.mask_head.kind.value, **layers}, **types}


def _parse(content: Any, path: Path) -> Manifest:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise ManifestError(
            f"{path}: format {found!r}; expected {FORMAT}. Build the function again with this version of Preannotate."
        )
    try:
        cut = content["postprocess"]
        agnostic, tiles = cut.get("agnostic_iou_threshold"), content.get("tiles")
        manifest = Manifest(
            family=str(content["family"]),
            labels=tuple(str(label) for label in content["labels"]),
            input_size=_size(content["input_size"]),
            postprocess=Postprocess(
                threshold=float(cut["threshold"]),
                thresholds=tuple(float(value) for value in cut["thresholds"]),
                iou_threshold=float(cut["iou_threshold"]),
                max_detections=int(cut["max_detections"]),
                agnostic_iou_threshold=None if agnostic is None else float(agnostic),
            ),
            provenance=dict(content.get("provenance", {})),
            mask_head=_mask_head(content.get("mask_head")),
            label_types=tuple(str(value) for value in content.get("label_types", ())),
            tiles=None if tiles is None else Tiles(int(tiles["per_side"]), float(tiles["overlap"])),
        )
        padding = tuple(content["padding"])
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ManifestError(
            f"{path}: {type(error).__name__} {error}; expected the keys family, labels, input_size, "
            f"padding and postprocess. Build the function again."
        ) from error
    if padding != PADDING:
        raise ManifestError(f"{path}: padding {padding}; expected {PADDING}, the only one this runtime draws.")
    _check(manifest, path)
    return manifest


def _mask_head(value: Any) -> MaskHead | None:
    if value is None:
        return None
    return MaskHead(MaskKind(value["kind"]), tuple(int(channels) for channels in value.get("layers", ())))


def _size(value: Any) -> tuple[int, int]:
    width, height = value
    return int(width), int(height)


def _check(manifest: Manifest, path: Path) -> None:
    cut = manifest.postprocess
    if not manifest.labels or len(set(manifest.labels)) != len(manifest.labels):
        raise ManifestError(f"{path}: labels {list(manifest.labels)!r}; expected at least one, each only once.")
    if len(cut.thresholds) != len(manifest.labels):
        raise ManifestError(
            f"{path}: {len(cut.thresholds)} thresholds; expected {len(manifest.labels)}, one for each label."
        )
    agnostic = cut.agnostic_iou_threshold
    for value in (cut.threshold, cut.iou_threshold, *cut.thresholds, *(() if agnostic is None else (agnostic,))):
        if not 0 <= value <= 1:
            raise ManifestError(f"{path}: threshold {value!r}; expected a number in [0, 1].")
    if min(manifest.input_size) < 1 or cut.max_detections < 1:
        raise ManifestError(
            f"{path}: input_size {list(manifest.input_size)!r}, max_detections {cut.max_detections}; "
            f"expected positive numbers."
        )
    head, types = manifest.mask_head, manifest.label_types
    if types and (len(types) != len(manifest.labels) or not set(types) <= set(LABEL_TYPES)):
        raise ManifestError(
            f"{path}: label_types {list(types)!r}; expected one of {', '.join(LABEL_TYPES)} for each label."
        )
    if head is not None and (head.kind is MaskKind.KERNELS) != bool(head.layers):
        raise ManifestError(
            f"{path}: mask_head of kind {head.kind.value} with layers {reprlib.repr(list(head.layers))}; expected "
            f"layers if the kind is {MaskKind.KERNELS.value}, and only then. Build the function again."
        )
    layers = head.layers if head else ()
    if layers and (len(layers) > MAX_MASK_LAYERS or layers[-1] != 1 or not all(0 < n <= 256 for n in layers)):
        raise ManifestError(
            f"{path}: mask_head with layers {reprlib.repr(list(layers))}; expected at most {MAX_MASK_LAYERS}, each of "
            f"1 to 256 channels, the last of 1. Build the function again."
        )
    tiles = manifest.tiles
    if tiles and not (2 <= tiles.per_side <= MOST_PER_SIDE and 0.1 <= tiles.overlap <= 0.5):
        raise ManifestError(
            f"{path}: tiles {asdict(tiles)!r}; expected per_side from 2 to {MOST_PER_SIDE} and overlap from 0.1 to 0.5."
        )
