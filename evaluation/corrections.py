"""How many seconds a person needs to correct what a model shows, and how many to draw everything.

The seconds are assumptions, and every page that shows a result shows them. Looking at an image, to find objects or
to see that none is missing, takes as long with a model as without: it is left out of both sides.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from evaluation.ground_truth import AnnotatedImage
from evaluation.outcomes import Outcome, compare_image, shown
from runtime.detector import Detection
from runtime.manifest import Postprocess


@dataclass(frozen=True)
class CorrectionCosts:
    """Seconds of an annotator's time.

    Attributes:
        draw: A missed box: draw it and choose its label. Measured: 35 s for a box of ImageNet with all controls, of
            which 25.5 s the drawing itself (Su et al., 2012), and 7 s by clicking extreme points (Papadopoulos et al.,
            2017).
        delete: A false box: think, point, click, press a key. 1.35 + 1.1 + 0.2 + 0.2 s in the keystroke-level model
            (Card, Moran and Newell, 1980), rounded up.
        adjust: A loose box: drag two corners, 1.35 s of thought and 2 x (1.1 + 1.35 + 1.1 + 0.2) s, rounded down; a
            little more than the 7 s of four clicks on a box's sides.
        relabel: A wrong label: think, point, click, point at the right one, click; 4 s in the same model.
        check: A shown box, whatever comes of it: see that it is right. 1.8 s were measured for a verdict on a box
            (Papadopoulos et al., 2016, "We don't need no bounding-boxes"). Of an outline the same is assumed.
        draw_outline: A missed object that people annotate with its outline: 79.2 s were measured for one of COCO (Lin
            et al., 2014: 22 hours for 1,000 of them).
        adjust_outline: A loose outline: fix a part of it, by dragging six points, 1.35 s of thought and 6 x 3.75 s as
            for the corners of a box. One that would take more than a new one is drawn anew: its IoU is below 0.4.
    """

    draw: float = 25.0
    delete: float = 3.0
    adjust: float = 8.0
    relabel: float = 4.0
    check: float = 1.8
    draw_outline: float = 79.0
    adjust_outline: float = 24.0

    def to_json(self) -> dict[str, float]:
        """Plain JSON."""
        return asdict(self)


COST_NAMES = tuple(field.name for field in fields(CorrectionCosts))


@dataclass(frozen=True)
class Corrections:
    """Number of objects of each kind; one may be both loose and of the wrong label.

    Attributes:
        missed_outlines: How many of `missed` were annotated with an outline; the others with a box.
        loose_outlines: How many of `loose` are loose as outlines.
    """

    shown: int = 0
    right: int = 0
    missed: int = 0
    false: int = 0
    loose: int = 0
    wrong_label: int = 0
    missed_outlines: int = 0
    loose_outlines: int = 0

    @classmethod
    def of(cls, outcome: Outcome) -> "Corrections":
        """Those of one image."""
        return cls(
            shown=len(outcome.pairs) + len(outcome.false),
            right=sum(pair.same_label and not pair.loose for pair in outcome.pairs),
            missed=len(outcome.missed),
            false=len(outcome.false),
            loose=sum(pair.loose for pair in outcome.pairs),
            wrong_label=sum(not pair.same_label for pair in outcome.pairs),
            missed_outlines=len(outcome.missed_outlines),
            loose_outlines=sum(pair.loose and pair.outline for pair in outcome.pairs),
        )

    def __add__(self, other: "Corrections") -> "Corrections":
        return Corrections(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def seconds(self, costs: CorrectionCosts) -> float:
        """All of it."""
        return (
            costs.check * self.shown
            + costs.draw * (self.missed - self.missed_outlines)
            + costs.draw_outline * self.missed_outlines
            + costs.delete * self.false
            + costs.adjust * (self.loose - self.loose_outlines)
            + costs.adjust_outline * self.loose_outlines
            + costs.relabel * self.wrong_label
        )


def seconds_from_nothing(image: AnnotatedImage, costs: CorrectionCosts) -> float:
    """Return the seconds of drawing all objects of an image."""
    outlines = sum(mask is not None for mask in image.masks)
    return costs.draw * (len(image.boxes) - outlines) + costs.draw_outline * outlines


def corrections_by_image(
    images: Sequence[AnnotatedImage], detections: Sequence[Sequence[Detection]], postprocess: Postprocess
) -> list[Corrections]:
    """What has to be done on each image when a function with this postprocessing has run."""
    return [
        Corrections.of(compare_image(image, found).outcome(shown(found, postprocess)))
        for image, found in zip(images, detections, strict=True)
    ]
