"""Requests and their forms as pages see them, and the endpoint that Starlette calls for a page."""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from builder.errors import BuildError
from preannotate.core.errors import PreannotateError
from preannotate.studio.errors import PageError
from preannotate.studio.services import Services
from preannotate.studio.web.access.authentication import Authenticator
from preannotate.studio.web.access.form_body import SAFE_METHODS, TOKEN_FIELD, comes_from_elsewhere, read_form
from preannotate.studio.web.access.sessions import Session, Sessions, session_of
from preannotate.studio.web.rendering import Templates
from runtime.errors import FunctionError
from trainer.errors import TrainerError

# Each waits for a CVAT that may not answer for minutes; other pages must not wait behind them.
CVAT_THREADS = 16
_LOG = logging.getLogger(__name__)
_NOT_OURS = (
    "This form was not sent from a page of this studio, or its page has expired; nothing was changed. "
    "Go back, reload the page, and send it again."
)


@dataclass(frozen=True)
class AppContext:
    """What all requests share.

    Attributes:
        services: What pages show and change.
        templates: Renders HTML.
        sessions: Signs and reads the cookies of browsers.
        authenticator: Checks the studio's token.
        files_anywhere: Whether weights outside the workspace may be named; only for a studio of this machine alone.
        live_seconds: Refresh interval of a page with active runs.
    """

    services: Services
    templates: Templates
    sessions: Sessions
    authenticator: Authenticator
    files_anywhere: bool
    live_seconds: float


@dataclass(frozen=True)
class PageRequest:
    """A request to a page.

    Attributes:
        raw: Starlette's.
        app: What all requests share.
        form: Fields of a POST request; empty otherwise.
    """

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
        return HTMLResponse(self.app.templates.render(template, context), status)

    def confirm(self, title: str, text: str, *, action: str, button: str, back: str) -> Response:
        """Ask for confirmation before an action."""
        return self.page("confirm.html", title=title, text=text, action=action, button=button, back=back)


def go_to(path: str, **query: Any) -> Response:
    """Redirect the browser to a page of the studio after a form."""
    return RedirectResponse(f"{path}?{urlencode(query, doseq=True)}" if query else path, 303)


def endpoint(page: Callable[[PageRequest], Response], app: AppContext, limiter: anyio.CapacityLimiter | None) -> Any:
    """Return what Starlette calls: it reads and checks a form, then runs the page in a thread."""

    async def answer(raw: Request) -> Response:
        request = PageRequest(raw, app)
        try:
            if raw.method not in SAFE_METHODS:
                request = PageRequest(raw, app, await _own_form(raw, app))
            return await anyio.to_thread.run_sync(page, request, limiter=limiter, abandon_on_cancel=False)
        except PageError as error:
            return error_page(request, error.status, error.title, str(error))
        except (PreannotateError, TrainerError, BuildError, FunctionError) as error:
            return error_page(request, 502 if _is_of_cvat(error) else 400, "Request failed", str(error))
        except OSError as error:  # a full disk, a folder of another user: not a bug
            _LOG.warning("%s %s: %s", raw.method, raw.url.path, error)
            return error_page(request, 500, "Request failed", f"{error}. Fix the cause and try again.")

    return answer


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


def _is_of_cvat(error: Exception) -> bool:
    from preannotate.cvat.errors import CvatError

    return isinstance(error, CvatError)


def _numbers(texts: list[str]) -> tuple[int, ...]:
    # Longer ones are no ids, and the database could not hold them.
    found = (int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) <= 15)
    return tuple(dict.fromkeys(found))


# Errors of the command line begin with a flag, which a page does not have.
_FLAG = re.compile(r"^--([a-z-]+): ")


@dataclass
class Form:
    """Values and errors of a form's fields.

    Attributes:
        values: Name to text; of boxes "on" or "".
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

    def whole_number(self, name: str, label: str, *, least: int, most: int) -> int:
        """Return the whole number in a field; add an error and return `least` if it is not one in the range."""
        text = self.values[name]
        if text.isascii() and text.isdecimal() and least <= int(text[:18]) <= most:
            return int(text)
        self.add_error(name, f"{label}: {text!r}; expected a whole number from {least} to {most}.")
        return least


def _text(value: object) -> str:
    return "on" if value is True else "" if value in (False, None) else str(value)
