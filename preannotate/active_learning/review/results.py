"""The results of a review: a table for the terminal, `review.csv`, `review.json` and the page `review.html`.

The page has no script and nothing from outside: its own policy forbids both. Jinja escapes labels and names, which may
be anybody's. Annotated boxes are solid and those of the model dashed, so that they differ without colours, too.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from preannotate.active_learning.review.crops import Crop
from preannotate.active_learning.review.disagreements import LOOSE_OUTLINE, TITLES, DisagreementKind, title_of
from preannotate.active_learning.task_results import TaskResults, remarks
from preannotate.core.files import replace_text, write_csv, write_json
from preannotate.core.html import html_environment
from preannotate.core.text import columns, plural

CSV, JSON, HTML = "review.csv", "review.json", "review.html"
FORMAT = 2
_ROWS_ON_TERMINAL = 20


class DisagreementEntry(TypedDict):
    """A disagreement in `review.json`; fields as in `disagreements.Disagreement`, boxes xyxy in image pixels."""

    rank: int
    kind: DisagreementKind
    likelihood: float
    frame: int
    job: int
    image: str
    label: str | None
    model_label: str | None
    score: float | None
    iou: float | None
    outline: bool
    annotated: list[list[float]]
    model: list[float] | None
    trained_on: bool
    text: str
    link: str


class IssueCount(TypedDict):
    """Issues in CVAT that the command created, and that existed already."""

    created: int
    existed: int


class Review(TaskResults):
    """The content of `review.json`; `frames_trained_on` is None if the run of the function was not found."""

    task_name: str
    frames: int
    boxes: int
    frames_trained_on: int | None
    kinds: dict[DisagreementKind, int]
    disagreements: list[DisagreementEntry]
    issues: NotRequired[IssueCount]


def write_review(content: Review, crops: Sequence[Crop | None], output: Path) -> None:
    """Write all three files; `crops` are those of the first disagreements, which are shown on the page."""
    write_json(output / JSON, content)
    replace_text(output / HTML, _render_page(content, crops))
    header = ("rank", "kind", "likelihood", "frame", "job", "image", "label", "model_label", "score", "iou")
    rows = (
        [*(dict(one)[name] for name in header), "yes" if one["trained_on"] else "", one["text"], one["link"]]
        for one in content["disagreements"]
    )
    write_csv(output / CSV, [*header, "trained_on", "text", "link"], rows)


def table(content: Review) -> str:
    """Return the most likely mistakes as columns with an empty line below them; "" if there are none."""
    rows = [("RANK", "KIND", "LIKELIHOOD", "LINK", "DISAGREEMENT")]
    rows += [
        (str(one["rank"]), _title(one), f"{one['likelihood']:.2f}", one["link"], one["text"])
        for one in content["disagreements"][:_ROWS_ON_TERMINAL]
    ]
    return f"{columns(rows)}\n\n" if content["disagreements"] else ""


def summary(content: Review, output: Path) -> str:
    """Return what was compared, what was found, and where the files are; several lines."""
    found = Counter(map(_title, content["disagreements"]))
    counts = ", ".join(
        plural(found[title], title, f"{title}es" if title.endswith("x") else "")
        for title in (*TITLES.values(), LOOSE_OUTLINE)
        if found[title]
    )
    lines = [
        f"task {content['task']} of {content['server']}: {plural(content['frames'], 'frame')} with "
        f"{plural(content['boxes'], 'box', 'boxes')} compared, "
        f"{plural(len(content['disagreements']), 'disagreement')}{f': {counts}' if counts else ''}"
    ]
    lines += remarks(content)
    if (issues := content.get("issues")) is not None:
        lines.append(f"issues in CVAT: {issues['created']} new, {issues['existed']} existed already")
    lines.append(f"written: {output / HTML}, {output / CSV}, {output / JSON}")
    return "\n".join(lines)


def _title(one: DisagreementEntry) -> str:
    return title_of(one["kind"], outline=one["outline"])


def _render_page(review: Review, crops: Sequence[Crop | None]) -> str:
    environment = html_environment(Path(__file__).parent)
    shown = review["disagreements"][: len(crops)]
    titles = {kind: title.capitalize() for kind, title in TITLES.items()}
    loose = {one["outline"] for one in shown if one["kind"] == DisagreementKind.LOOSE}
    if True in loose:
        titles[DisagreementKind.LOOSE] = "Loose box or outline" if False in loose else LOOSE_OUTLINE.capitalize()
    return environment.get_template("page.html").render(
        review=review,
        shown=list(zip(shown, crops, strict=True)),
        titles=titles,
        title_of=lambda one: _title(one).capitalize(),
        counts={kind: sum(one["kind"] == kind for one in shown) for kind in TITLES},
    )
