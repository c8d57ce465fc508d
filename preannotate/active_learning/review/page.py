"""`review.html`: one page that needs nothing else, for people who mend annotations.

No script and nothing from outside: the page's own policy forbids both. Labels and names, which may be anybody's, are
escaped by Jinja. Boxes of people are solid, those of the model dashed, so that colour is not all that tells them apart.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from preannotate.active_learning.review.crops import Crop
from preannotate.active_learning.review.disagreements import TITLES


def render(content: Mapping[str, Any], pictures: Sequence[Crop | None]) -> str:
    """The page.

    Args:
        content: Of `review.json`.
        pictures: Of the first disagreements, which are those that are shown.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = content["disagreements"][: len(pictures)]
    counts = {kind: sum(one["kind"] == kind for one in shown) for kind in TITLES}
    return environment.get_template("page.html").render(
        content=content,
        shown=list(zip(shown, pictures, strict=True)),
        titles={kind: title.capitalize() for kind, title in TITLES.items()},
        counts=counts,
    )
