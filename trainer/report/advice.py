"""Sentences for the page: how reliable the figures are, and what to do next."""

from collections.abc import Iterator

import numpy as np

from preannotate.core.text import first_of, plural
from trainer.metrics import decisive_ap
from trainer.report.facts import RunFacts
from trainer.report.figures import Figures

# With 100 boxes one box is one point: with fewer, figures of two models cannot be compared.
ENOUGH_BOXES = 100
# Width of the interval of mAP50 from which on the page warns.
WIDE = 0.10
FEW_BOXES_OF_A_CLASS = 10
# A class whose AP50 is below needs more than another threshold.
WEAK_AP50 = 0.7
# mAP gained at the last validation from which training was cut short rather than finished.
STILL_RISING = 0.02


def caveats(facts: RunFacts, figures: Figures) -> Iterator[str]:
    """Yield the reasons why the figures may be unreliable."""
    boxes, of_masks = sum(figures.boxes), "mask " if figures.mask_precision else ""
    precision = figures.mask_precision or figures.precision
    map50, mean_ap = precision.map50, precision.mean_ap
    if not boxes:
        yield "The validation images hold no object: nothing could be measured."
        return
    if boxes < ENOUGH_BOXES or map50.width > WIDE:
        images = plural(len(facts.truth.images), "image")
        yield (
            f"The validation set is too small for reliable figures: {images} with {plural(boxes, 'object')}, so one "
            f"object is {100 / boxes:.1f}\N{NO-BREAK SPACE}% of them. With other images of the same kind "
            f"{of_masks}mAP50 could have been {map50.low:.2f} or {map50.high:.2f}, {of_masks}mAP {mean_ap.low:.2f} or "
            f"{mean_ap.high:.2f}, and correcting {_times(figures.times_less.low)} or {_times(figures.times_less.high)} "
            f"as fast as drawing."
        )
    if flawless := [
        label
        for label, number, ap50 in zip(facts.truth.labels, figures.boxes, figures.precision.ap50, strict=True)
        if number and ap50.low == ap50.high
    ]:
        yield (
            f"An interval without width ({first_of(flawless)}) does not mean certainty: errors that happened on none "
            f"of these images cannot show in it."
        )
    yield (
        "The best weights and the thresholds were chosen on these same images, so expect somewhat less on others. "
        "For a figure without this flaw, hold images back and run preannotate evaluate on them."
    )


def next_steps(facts: RunFacts, figures: Figures) -> Iterator[str]:
    """Yield advice, the most urgent first."""
    labels = facts.truth.labels
    few = [
        f"{label} ({number})"
        for label, number in sorted(zip(labels, figures.boxes, strict=True), key=lambda item: item[1])
        if number < FEW_BOXES_OF_A_CLASS
    ]
    if few:
        yield (
            f"Annotate more images with {first_of(few)}: in brackets the validation objects, fewer than "
            f"{FEW_BOXES_OF_A_CLASS}, too few to judge the class by."
        )
    if _still_rising(facts):
        rising = "mask mAP" if figures.mask_precision else "mAP"
        yield f"Train longer: {rising} was still rising when the training ended. Raise epochs or max_minutes."
    yield from _most_expensive(facts, figures)
    yield from _confused(facts, figures)
    weak = [
        f"{label} ({ap50.value:.2f})"
        for label, number, ap50 in zip(labels, figures.boxes, figures.decisive_ap50, strict=True)
        if number >= FEW_BOXES_OF_A_CLASS and ap50.value < WEAK_AP50
    ]
    if weak:
        yield f"Annotate more of {first_of(weak)}: in brackets the AP50, the weakest."
    small = figures.bands[0]
    if small.boxes and small.corrections.missed * 2 > small.boxes:
        yield (
            f"Try a larger image_size: {small.corrections.missed} of {plural(small.boxes, 'small object')} were missed."
        )


def _most_expensive(facts: RunFacts, figures: Figures) -> Iterator[str]:
    """Name the correction that takes more than half of the time, if one does."""
    total, costs = figures.total, facts.costs
    remedies = {
        "adjusting loose boxes": (
            (total.loose - total.loose_outlines) * costs.adjust,
            "Train longer, or with a larger image_size; and see that the annotated boxes themselves are tight.",
        ),
        "fixing loose outlines": (
            total.loose_outlines * costs.adjust_outline,
            "Train longer, or with a larger image_size; and see that the annotated outlines themselves are exact.",
        ),
        "drawing missed boxes": (
            (total.missed - total.missed_outlines) * costs.draw,
            "Annotate more images like those below on which objects were missed.",
        ),
        "drawing missed outlines": (
            total.missed_outlines * costs.draw_outline,
            "Annotate more images like those below on which objects were missed.",
        ),
        "deleting false detections": (
            total.false * costs.delete,
            "Add images that show such things and no object (--negatives), and see that no object was forgotten.",
        ),
        "changing labels": (
            total.wrong_label * costs.relabel,
            "Annotate more of the classes that are confused with each other.",
        ),
    }
    name, (seconds, remedy) = max(remedies.items(), key=lambda item: item[1][0])
    spent = sum(of_kind for of_kind, _ in remedies.values())
    if spent and seconds > spent / 2:
        yield f"Most of the correction time goes into {name} ({seconds:.0f} of {spent:.0f} s). {remedy}"


def _confused(facts: RunFacts, figures: Figures) -> Iterator[str]:
    """Name the pair of classes that is confused most often, if more than once."""
    between = figures.confusion[:-1, :-1].copy()
    np.fill_diagonal(between, 0)
    row, column = np.unravel_index(between.argmax(), between.shape)
    if between[row, column] > 1:
        yield (
            f"Look at {facts.truth.labels[row]} and {facts.truth.labels[column]}: {between[row, column]} of the first "
            f"were detected as the second. Are they annotated consistently? If so, annotate more of both."
        )


def _still_rising(facts: RunFacts) -> bool:
    measured = [value for row in facts.epochs if (value := decisive_ap(row)) is not None]
    return len(measured) > 1 and measured[-1] - max(measured[:-1]) > STILL_RISING


def _times(value: float) -> str:
    return f"{value:.1f} times" if np.isfinite(value) else "many times"
