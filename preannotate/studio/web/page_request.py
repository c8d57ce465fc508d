"""Requests and their forms as pages see them, and the endpoint that Starlette calls for a page."""

import contextlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from preannotate.core.errors import PreannotateError
from preannotate.cvat.errors import CvatError
from preannotate.jobs.errors import JobError
from preannotate.studio.errors import PageError, StudioError
from preannotate.studio.services import Services
from preannotate.studio.web.access.authentication import Authenticator
from preannotate.studio.web.access.form_body import SAFE_METHODS, TOKEN_FIELD, comes_from_elsewhere, read_form
from preannotate.studio.web.access.sessions import Session, Sessions, session_of
from preannotate.studio.web.rendering import templates
from runtime.errors import FunctionError

# Each waits for a CVAT that may not answer for minutes; other pages must not wait behind them.
CVAT_THREADS = 16
# Errors of the command line begin with a flag, which a page does not have.
_FLAG = re.compile(r"^--([a-z-]+): ")
Found = TypeVar("Found")
_LOG = logging.getLogger(__name__)
_NOT_OURS = (
    "This form was not sent from a page of this studio, or its page has expired; nothing was changed. "
    "Go back, reload the page, and send it again."
)


@dataclass(frozen=True)
class AppContext:
    """What all requests share.

    Attributes:
        files_anywhere: Whether weights outside the workspace may be named; only for a studio of this machine alone.
        live_seconds: Refresh interval of a page with active runs.
    """

    services: Services
    sessions: Sessions
    authenticator: Authenticator
    files_anywhere: bool
    live_seconds: float


@dataclass(frozen=True)
class PageRequest:
    """A request to a page; `form` has the fields of a POST request, and `raw` is Starlette's object."""

    raw: Request
    app: AppContext
    form: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        """What pages show and change."""
        return self.app.services

    @property
    def session(self) -> Session:
        """The session of this browser."""
        return session_of(self.raw)

    def path(self, name: str) -> str:
        """Return a part of the URL's path."""
        return self.raw.path_params[name]

    def number(self, name: str) -> int:
        """Return a part of the URL's path that is a number."""
        return self.raw.path_params[name]

    def query(self, name: str) -> str:
        """Return a parameter of the URL; "" if it is missing."""
        return self.raw.query_params.get(name, "").replace("\0", "").strip()

    def query_numbers(self, name: str) -> tuple[int, ...]:
        """Return all numbers of a parameter of the URL, without duplicates; other values are skipped."""
        return _numbers(self.raw.query_params.getlist(name))

    def query_number(self, name: str) -> int | None:
        """Return the first number of a parameter of the URL; None if there is none."""
        return next(iter(self.query_numbers(name)), None)

    def field(self, name: str) -> str:
        """Return a field of the form without surrounding spaces; "" if it is missing."""
        return self.form.get(name, [""])[0].strip()

    def secret(self, name: str) -> str:
        """Return a field of the form unchanged: spaces may belong to a password."""
        return self.form.get(name, [""])[0]

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return all numbers of a field of the form, as `query_numbers`."""
        return _numbers(self.form.get(name, []))

    def checked(self, name: str) -> bool:
        """Return whether a checkbox of the form is checked."""
        return name in self.form

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """Render a page."""
        context |= {
            "path": self.raw.url.path,
            "notice": self.query("done"),
            "form_token": self.app.sessions.form_token(self.session),
            "token_field": TOKEN_FIELD,
            "live_seconds": self.app.live_seconds,
            "can_log_out": self.app.authenticator.required and self.session.admitted,
        }
        return HTMLResponse(templates().get_template(template).render(context), status)

    def confirm(self, title: str, text: str, *, button: str) -> Response:
        """Ask for confirmation before a POST request to the same path; its parent is the way back."""
        back = self.raw.url.path.rpartition("/")[0]
        return self.page("confirm.html", title=title, text=text, button=button, back=back)


def found_or_404(title: str, find: Callable[..., Found], *args: Any) -> Found:
    """Return what `find(*args)` returns; a PageError 404 if it raises StudioError or JobError."""
    try:
        return find(*args)
    except (StudioError, JobError) as error:
        raise PageError(404, title, str(error)) from error


def go_to(path: str, **query: Any) -> Response:
    """Redirect the browser to a page of the studio after a form."""
    return RedirectResponse(f"{path}?{urlencode(query, doseq=True)}" if query else path, 303)


async def answer_request(
    page: Callable[[PageRequest], Response], raw: Request, app: AppContext, limiter: anyio.CapacityLimiter | None
) -> Response:
    """Read and check a form, then run the page in a thread."""
    request = PageRequest(raw, app)
    try:
        if raw.method not in SAFE_METHODS:
            request = PageRequest(raw, app, await _own_form(raw, app))
        return await anyio.to_thread.run_sync(page, request, limiter=limiter, abandon_on_cancel=False)
    except PageError as error:
        return error_page(request, error.status, error.title, str(error))
    except CvatError as error:
        return error_page(request, 502, "Request failed", str(error))
    except (PreannotateError, FunctionError) as error:
        return error_page(request, 400, "Request failed", str(error))
    except OSError as error:  # a full disk, a folder of another user: not a bug
        _LOG.warning("%s %s: %s", raw.method, raw.url.path, error)
        return error_page(request, 500, "Request failed", f"{error}. Fix the cause and try again.")


def error_page(request: PageRequest, status: int, title: str, sentence: str) -> Response:
    """Return a page with an error and a way on."""
    return request.page("error.html", status, title=title, sentence=sentence, number=status)


async def _own_form(raw: Request, app: AppContext) -> dict[str, list[str]]:
    if comes_from_elsewhere(raw.headers, raw.url.scheme):
        raise PageError(403, "Form not accepted", _NOT_OURS)
    form = await read_form(raw)
    if not app.sessions.is_form_token(session_of(raw), form.get(TOKEN_FIELD, [""])[0]):
        raise PageError(403, "Form not accepted", _NOT_OURS)
    return form


def _numbers(texts: list[str]) -> tuple[int, ...]:
    # Longer numbers are no ids, and the database could not hold them.
    found = (int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) <= 15)
    return tuple(dict.fromkeys(found))


@dataclass
class Form:
    """What a form shows again after an error: its values without secrets, and an error at each field.

    Attributes:
        values: Name to text; of checkboxes "on" or "".
        errors: Name to sentence; the name "" is the form as a whole.
    """

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def submitted(cls, request: PageRequest, names: Iterable[str], *, boxes: Iterable[str] = ()) -> "Form":
        """Return a submitted form; `names` must not include secrets."""
        values = {name: request.field(name) for name in names}
        return cls(values | {name: "on" if request.checked(name) else "" for name in boxes})

    @classmethod
    def initial(cls, **values: Any) -> "Form":
        """Return a form with its initial values."""
        return cls({name: _text(value) for name, value in values.items()})

    def add_error(self, name: str, sentence: object) -> None:
        """Add an error to a field that has none yet."""
        self.errors.setdefault(
            name, _FLAG.sub(lambda match: f"{match[1].replace('-', ' ').capitalize()}: ", str(sentence))
        )

    @contextlib.contextmanager
    def errors_at(self, name: str) -> Iterator[None]:
        """Add an error that is raised inside to a field, instead of raising it."""
        try:
            yield
        except (PreannotateError, FunctionError) as error:
            self.add_error(name, error)

    def fraction(self, name: str, label: str, *, expected: str = "a number from 0 to 1") -> float:
        """Return the number in a field, with a decimal point or comma; add an error if it is not in [0, 1]."""
        text = self.values[name].replace(",", ".")
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            self.add_error(name, f"{label}: {text!r}; expected {expected}.")
        return value

    def whole_number(self, name: str, label: str, *, least: int, most: int) -> int:
        """Return the whole number in a field; add an error and return `least` if it is not one in the range."""
        text = self.values[name]
        if text.isascii() and text.isdecimal() and least <= int(text[:18]) <= most:
            return int(text)
        self.add_error(name, f"{label}: {text!r}; expected a whole number from {least} to {most}.")
        return least


def _text(value: object) -> str:
    return "on" if value is True else "" if value in (False, None) else str(value)
