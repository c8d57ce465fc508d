"""What of CVAT's JSON is used here, field by field: a response of another form is one sentence that names the field.

A check gets a value and its place in the response, and returns the problem, "" if there is none. Fields that are not
named may be anything, for servers differ in them.
"""

import math
from collections.abc import Callable
from typing import Any

from preannotate.core.text import printable
from preannotate.cvat.errors import CvatError

Check = Callable[[Any, str], str]
# The largest number that JSON's other readers keep as it is. CVAT's own texts have at most 1024 characters.
_MAX_NUMBER, _MAX_TEXT = 2**53, 4096
# Of a task: a video of a day at 60 frames a second.
_MAX_FRAMES = 5_184_000
_MISSING = object()


def checked(url: str, what: str, content: Any, check: Check) -> Any:
    """Return the content of a response if it is of the expected form; `what` is for messages.

    Raises:
        CvatError: It is not.
    """
    if problem := check(content, ""):
        raise CvatError(
            f"{url}: {what}: {problem}. Check whether the server is CVAT 2.15 or newer, and whether something on the "
            f"way changes its responses."
        )
    return content


def _leaf(words: str, accepts: Callable[[Any], bool]) -> Check:
    def check(value: Any, place: str) -> str:
        return "" if accepts(value) else f"{place or 'it'} is {_shown(value)}; expected {words}"

    return check


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "missing"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return printable(repr(value[:_MAX_TEXT] if isinstance(value, str) else value), 60)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def optional(check: Check) -> Check:
    """Accept what `check` accepts, null, and a field that is not there."""
    return lambda value, place: "" if value is None or value is _MISSING else check(value, place)


def many(check: Check) -> Check:
    """Accept a list of what `check` accepts."""

    def check_all(value: Any, place: str) -> str:
        if not isinstance(value, list):
            return f"{place or 'it'} is {_shown(value)}; expected a list"
        return next(
            (problem for number, item in enumerate(value) if (problem := check(item, f"{place}[{number}]"))), ""
        )

    return check_all


def record(**fields: Check) -> Check:
    """Accept an object with these fields."""

    def check(value: Any, place: str) -> str:
        if not isinstance(value, dict):
            return f"{place or 'it'} is {_shown(value)}; expected an object"
        for name, check_field in fields.items():
            if problem := check_field(value.get(name, _MISSING), f"{place}.{name}" if place else name):
                return problem
        return ""

    return check


ID = _leaf("a whole number from 0 on", lambda value: _is_count(value, _MAX_NUMBER))
FRAME = _leaf(f"a whole number from 0 to {_MAX_FRAMES}", lambda value: _is_count(value, _MAX_FRAMES))
NUMBER = _leaf("a number", _is_number)
TEXT = _leaf(
    f"text of at most {_MAX_TEXT} characters", lambda value: isinstance(value, str) and len(value) <= _MAX_TEXT
)
LONG_TEXT = _leaf("text", lambda value: isinstance(value, str))
FLAG = _leaf("true or false", lambda value: isinstance(value, bool))
_POINTS = _leaf("a list of numbers", lambda value: isinstance(value, list) and all(map(_is_number, value)))

TASK = record(
    id=ID,
    name=TEXT,
    mode=optional(TEXT),
    size=optional(FRAME),
    updated_date=TEXT,
    dimension=optional(TEXT),
    media_type=optional(TEXT),
    validation_mode=optional(TEXT),
    project_id=optional(ID),
    jobs=optional(record(count=optional(ID), completed=optional(ID))),
)
JOB = record(
    id=ID,
    task_id=ID,
    type=optional(TEXT),
    state=TEXT,
    stage=TEXT,
    start_frame=FRAME,
    stop_frame=FRAME,
    updated_date=TEXT,
)
PROJECT = record(id=ID, name=TEXT)
USER = record(username=TEXT)
_ATTRIBUTE = record(id=ID, name=TEXT, input_type=TEXT, values=many(LONG_TEXT), default_value=optional(LONG_TEXT))
LABEL = record(
    id=ID,
    name=TEXT,
    color=optional(TEXT),
    type=optional(TEXT),
    parent_id=optional(ID),
    attributes=optional(many(_ATTRIBUTE)),
)
FRAMES_OF_TASK = record(
    start_frame=FRAME,
    size=FRAME,
    frame_filter=optional(TEXT),
    deleted_frames=many(FRAME),
    frames=many(record(name=TEXT, width=FRAME, height=FRAME)),
)
FRAMES_OF_JOB = record(deleted_frames=many(FRAME), included_frames=optional(many(ID)))
VALIDATION = record(honeypot_frames=optional(many(FRAME)), honeypot_real_frames=optional(many(FRAME)))
_SHAPE = {"type": TEXT, "frame": FRAME, "points": _POINTS, "rotation": optional(NUMBER)}
ANNOTATIONS = record(
    tags=many(record(frame=FRAME, label_id=ID, source=optional(TEXT))),
    shapes=many(record(**_SHAPE, label_id=ID, source=optional(TEXT))),
    tracks=many(record(label_id=ID, source=optional(TEXT), shapes=many(record(**_SHAPE, outside=FLAG)))),
)
ISSUE = record(id=ID, frame=FRAME, position=_POINTS)
COMMENT = record(issue=ID, message=LONG_TEXT)
WEBHOOK = record(id=ID, target_url=TEXT)
FUNCTIONS = many(
    record(
        id=TEXT,
        kind=optional(TEXT),
        labels_v2=optional(many(record(name=TEXT, type=optional(TEXT)))),
    )
)


def page_of(entry: Check, *, next_page: bool = True) -> Check:
    """Accept one page of a list; with `next_page` it must say whether there is another."""
    fields = {"next": optional(TEXT)} if next_page else {"count": ID}
    return record(results=many(entry), **fields)
