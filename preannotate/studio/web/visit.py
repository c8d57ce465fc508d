"""One request, as pages see it; and the wrapper that makes an endpoint of a page."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from builder.errors import BuildError
from preannotate.core.errors import PreannotateError
from preannotate.studio.services import Studio
from preannotate.studio.web.access.bodies import BodyError, read_form
from preannotate.studio.web.access.forgery import SAFE_METHODS, TOKEN_FIELD, comes_from_elsewhere
from preannotate.studio.web.access.gate import session_of
from preannotate.studio.web.access.login import Login
from preannotate.studio.web.access.sessions import Session, Sessions
from preannotate.studio.web.rendering import Templates
from runtime.errors import FunctionError
from trainer.errors import TrainerError

# Each waits for a CVAT that may not answer for minutes; other pages must not wait behind them.
CVAT_THREADS = 16
_LOG = logging.getLogger(__name__)
_NOT_OURS = (
    "This form was not sent from a page of this studio, or its page is too old; nothing was changed. "
    "Go back, reload the page, and send it again."
)


class PageError(PreannotateError):
    """A page that cannot be shown; `status` is that of the answer."""

    def __init__(self, status: int, title: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.title = status, title


@dataclass(frozen=True)
class Site:
    """What all requests share.

    Attributes:
        studio: What is shown.
        templates: How.
        sessions: Of browsers.
        login: Asks for the token.
        files_anywhere: Whether people may name files outside of the workspace: only where they are at this machine.
        live_seconds: After so many a page about something that goes on is asked for again.
    """

    studio: Studio
    templates: Templates
    sessions: Sessions
    login: Login
    files_anywhere: bool
    live_seconds: float


@dataclass(frozen=True)
class Visit:
    """One request.

    Attributes:
        request: Starlette's.
        site: What all requests share.
        form: Fields of a form that was sent; empty otherwise.
    """

    request: Request
    site: Site
    form: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def studio(self) -> Studio:
        """What is shown."""
        return self.site.studio

    @property
    def session(self) -> Session:
        """Of this browser."""
        return session_of(self.request)

    def path(self, name: str) -> str:
        """A part of the address."""
        return self.request.path_params[name]

    def query(self, name: str) -> str:
        """A field of the address; "" if it is not there."""
        return self.request.query_params.get(name, "").replace("\0", "").strip()

    def query_numbers(self, name: str) -> tuple[int, ...]:
        """All numbers of that name in the address, each once; what is no number is passed over."""
        return _numbers(self.request.query_params.getlist(name))

    def query_number(self, name: str) -> int | None:
        """The first number of that name in the address."""
        return next(iter(self.query_numbers(name)), None)

    def field(self, name: str) -> str:
        """A field of the form without spaces around it; "" if it is not there."""
        return self.form.get(name, [""])[0].strip()

    def secret(self, name: str) -> str:
        """A field of the form as it is: spaces may belong to a password."""
        return self.form.get(name, [""])[0]

    def numbers(self, name: str) -> tuple[int, ...]:
        """All numbers of that name in the form."""
        return _numbers(self.form.get(name, []))

    def checked(self, name: str) -> bool:
        """Whether a box of the form is ticked."""
        return name in self.form

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """A page of HTML."""
        context |= {
            "path": self.request.url.path,
            "notice": self.query("done"),
            "form_token": self.site.sessions.form_token(self.session),
            "token_field": TOKEN_FIELD,
            "live_seconds": self.site.live_seconds,
            "can_log_out": self.site.login.required and self.session.admitted,
        }
        return HTMLResponse(self.site.templates.render(template, context), status)


def go_to(path: str, **query: Any) -> Response:
    """Send the browser to a page of ours after a form; `query` is its state."""
    return RedirectResponse(f"{path}?{urlencode(query, doseq=True)}" if query else path, 303)


def endpoint(page: Callable[[Visit], Response], site: Site, limiter: anyio.CapacityLimiter | None) -> Any:
    """What Starlette calls: reads and checks a form, then lets the page work in a thread."""

    async def answer(request: Request) -> Response:
        visit = Visit(request, site)
        try:
            if request.method not in SAFE_METHODS:
                visit = Visit(request, site, await _own_form(request, site))
            return await anyio.to_thread.run_sync(page, visit, limiter=limiter, abandon_on_cancel=False)
        except BodyError as error:
            return error_page(visit, error.status, "This could not be read", str(error))
        except PageError as error:
            return error_page(visit, error.status, error.title, str(error))
        except (PreannotateError, TrainerError, BuildError, FunctionError) as error:
            return error_page(visit, 502 if _is_of_cvat(error) else 400, "That did not work", str(error))
        except OSError as error:  # a full disk, a folder that is not ours: no fault of the program
            _LOG.warning("%s %s: %s", request.method, request.url.path, error)
            return error_page(visit, 500, "That did not work", f"{error}. Mend what it says, and try again.")

    return answer


def error_page(visit: Visit, status: int, title: str, sentence: str) -> Response:
    """A page that says what went wrong and where to go from here."""
    return visit.page("error.html", status, title=title, sentence=sentence, number=status)


async def _own_form(request: Request, site: Site) -> dict[str, list[str]]:
    if comes_from_elsewhere(request.headers, request.url.scheme):
        raise BodyError(403, _NOT_OURS)
    form = await read_form(request)
    if not site.sessions.is_form_token(session_of(request), form.get(TOKEN_FIELD, [""])[0]):
        raise BodyError(403, _NOT_OURS)
    return form


def _is_of_cvat(error: Exception) -> bool:
    from preannotate.cvat.errors import CvatError

    return isinstance(error, CvatError)


def _numbers(texts: list[str]) -> tuple[int, ...]:
    # Longer ones are no ids, and the database could not hold them.
    found = (int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) <= 15)
    return tuple(dict.fromkeys(found))
