"""The body of a form, and whether the studio's own page sent it.

Cross-site request forgery (CSRF) is prevented by three checks, each of which suffices in a current browser: the origin
of the request (Sec-Fetch-Site and Origin), a session cookie that other sites cannot send (SameSite=Strict), and the
form token of the session.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from preannotate.serving.body_budget import BodyBudget
from preannotate.serving.errors import BodyTooLarge, BodyTooSlow, TooManyBytes
from preannotate.studio.errors import PageError

TOKEN_FIELD = "form_token"
SAFE_METHODS = ("GET", "HEAD")
# "none" is the address bar or the reload button.
_OWN_SITES = ("same-origin", "none")
MAX_BYTES = 64 * 1024
MAX_FIELDS = 500
# Until a form's last byte; a browser on a bad line needs less.
SECONDS = 20.0
KIND = "application/x-www-form-urlencoded"
_REFUSALS = {
    BodyTooLarge: f"The form has more than {MAX_BYTES} bytes; expected at most that many. Shorten the text.",
    BodyTooSlow: f"The form did not arrive within {SECONDS:g} s; expected the whole form. Send it again.",
    TooManyBytes: "The studio receives too many forms; expected fewer. Try again later.",
}
_NOT_TEXT = "The form is not text; expected form fields. Send it from the studio's own page."
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
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except (BodyTooLarge, BodyTooSlow, TooManyBytes) as error:
        raise _refused(error.status, _REFUSALS[type(error)]) from error
    except ValueError as error:
        raise _refused(400, _NOT_TEXT) from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value.replace("\0", ""))
    return fields


def _refused(status: int, sentence: str) -> PageError:
    return PageError(status, "Form not accepted", sentence)


def comes_from_elsewhere(headers: Mapping[str, str], scheme: str) -> bool:
    """Return whether another site made this request, by its headers.

    `scheme` is that of the request, "http" or "https"; with https in Origin, a proxy speaks http to the studio.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in _OWN_SITES:
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    host = headers.get("host", "").casefold()
    return origin.casefold() not in {f"{scheme}://{host}", f"https://{host}"}
