"""Weights that trainings start from: whether they are on this machine, and unchanged."""

from collections.abc import Iterator

from preannotate.core.errors import PreannotateError
from preannotate.diagnostics.finding import Finding, error_from_sentence, note, ok
from preannotate.diagnostics.packages import TENSORFLOWS, installed
from trainer import published_weights

_WHERE = "base weights"


def coco_weights() -> Iterator[Finding]:
    """The COCO weights of each model; nothing where nobody trains."""
    if not any(map(installed, TENSORFLOWS)):
        return
    here = []
    for model in published_weights.CATALOGUE:
        try:
            if published_weights.find(model):
                here.append(model)
        except PreannotateError as error:
            yield error_from_sentence(_WHERE, f"{_WHERE}: {error}", f"Run: preannotate get base {model}")
    if here:
        yield ok(_WHERE, f"COCO weights of {', '.join(here)}")
    if published_weights.SMALLEST not in here:
        found, _, remedy = published_weights.how_to_get(published_weights.SMALLEST).partition(". ")
        yield note(_WHERE, f"{found}.", remedy)
