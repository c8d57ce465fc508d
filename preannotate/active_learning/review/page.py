"""`review.html`: a page of its own, for people who correct annotations.

No script and nothing from outside: the page's own policy forbids both. Jinja escapes labels and names, which may be
anybody's. Annotated boxes are solid and those of the model dashed, so that they differ without colours, too.
"""

from collections.abc import Sequence
from pathlib import Path

import jinja2

from preannotate.active_learning.review.crops import Crop
from preannotate.active_learning.review.disagreements import TITLES
from preannotate.active_learning.review.results import Review


def render(review: Review, crops: Sequence[Crop | None]) -> str:
    """Return the page.

    Args:
        review: Content of `review.json`.
        crops: Of the first disagreements, which are those on the page.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = review["disagreements"][: len(crops)]
    return environment.get_template("page.html").render(
        review=review,
        shown=list(zip(shown, crops, strict=True)),
        titles={kind: title.capitalize() for kind, title in TITLES.items()},
        counts={kind: sum(one["kind"] == kind for one in shown) for kind in TITLES},
    )
