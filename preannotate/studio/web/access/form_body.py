"""The body of a form: small, soon complete, and URL-encoded."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from preannotate.serving.body_budget import BodyBudget
from preannotate.serving.errors import BodyTooLarge, BodyTooSlow, TooManyBytes
from preannotate.studio.errors import PageError

MAX_BYTES = 64 * 1024
MAX_FIELDS = 500
# Until a form's last byte; a browser on a bad line needs less.
SECONDS = 20.0
KIND = "application/x-www-form-urlencoded"
_budget = BodyBudget(limit=1000 * MAX_BYTES, seconds=SECONDS)


async def read_form(request: Request) -> dict[str, list[str]]:
    """Return the values of each field of a form, in their order.

    Raises:
        PageError: Too large, too slow, or not a form.
        ClientDisconnect: The client closed the connection.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind != KIND:
        raise _refused(415, f"Form of type {kind[:60]!r}; expected {KIND!r}. Send it from the studio's own page.")
    declared = request.headers.get("content-length", "")
    length = int(declared) if declared.isdecimal() else 0
    try:
        async with _budget.read(request.receive, "form", MAX_BYTES, length) as body:
            text = body.decode("ascii")
    except BodyTooLarge as error:
        sentence = f"The form has more than {MAX_BYTES} bytes; expected at most that many. Shorten the text."
        raise _refused(error.status, sentence) from error
    except BodyTooSlow as error:
        sentence = f"The form did not arrive within {SECONDS:g} s; expected the whole form. Send it again."
        raise _refused(error.status, sentence) from error
    except TooManyBytes as error:
        raise _refused(error.status, "The studio receives too many forms; expected fewer. Try again later.") from error
    except UnicodeDecodeError as error:
        raise _not_text() from error
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise _not_text() from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value.replace("\0", ""))
    return fields


def _not_text() -> PageError:
    return _refused(400, "The form is not text; expected form fields. Send it from the studio's own page.")


def _refused(status: int, sentence: str) -> PageError:
    return PageError(status, "Form not accepted", sentence)


TOKEN_FIELD = "form_token"
SAFE_METHODS = ("GET", "HEAD")
# "none" is the address bar or the reload button.
_OWN_SITES = ("same-origin", "none")


def comes_from_elsewhere(headers: Mapping[str, str], scheme: str) -> bool:
    """Return whether the browser says that another site made this request.

    Args:
        headers: Of the request.
        scheme: Of the request, "http" or "https". A proxy in front may speak another, so only the rest is compared.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in _OWN_SITES:
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    host = headers.get("host", "").casefold()
    return origin.casefold() not in {f"{scheme}://{host}", f"https://{host}"}
