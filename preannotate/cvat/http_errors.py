"""Failed requests to CVAT as one sentence each."""

from urllib.parse import urlsplit

import urllib3.exceptions
from cvat_sdk.api_client.exceptions import ApiException

from preannotate.core.http import Failure, Response, no_response, proxy_hint
from preannotate.cvat.errors import RESUME, CvatError

# What requests raise through cvat-sdk; its own exceptions for wrong arguments are bugs of this program.
HTTP_ERRORS = (urllib3.exceptions.HTTPError, ApiException)
# Too many requests, and what proxies and servers answer while something restarts.
_TRANSIENT_STATUS = (429, 500, 502, 503, 504)
_PERMANENT_FAILURES = (Failure.CERTIFICATE, Failure.NO_TLS, Failure.HOST_NOT_FOUND)


def is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed later."""
    if isinstance(error, ApiException):
        return error.status in _TRANSIENT_STATUS
    return not _is_redirect_loop(error) and no_response(error).failure not in _PERMANENT_FAILURES


def retry_after(error: Exception) -> float | None:
    """Return the seconds that the server asks to wait (Retry-After); None if it does not."""
    headers = getattr(error, "headers", None) or {}
    text = str(headers.get("Retry-After", ""))
    return float(text) if text.isdecimal() else None


def server_message(error: ApiException) -> str:
    """Return the server's own words in brackets, " (Not found.)"; "" if there are none for people."""
    body = error.body or b""
    message = Response(error.status or 0, body if isinstance(body, bytes) else str(body).encode()).message()
    return f" ({message})" if message else ""


def explain(url: str, what: str, error: Exception) -> CvatError:
    """Return the sentence for a failed request.

    Args:
        url: Of the server.
        what: What was requested: "task 12", "frame 3 of task 12".
        error: One of `HTTP_ERRORS`.
    """
    if isinstance(error, ApiException):
        return CvatError(_explain_status(url, what, error), status=error.status)
    return CvatError(_explain_connection(url, what, error))


def _explain_status(url: str, what: str, error: ApiException) -> str:
    status = error.status
    if status == 401 or (status == 400 and what == "the login"):
        return (
            f"{url}: {status} for {what}, the login is rejected; expected a valid login. Check the password, or make "
            f"a new access token in CVAT (Profile, Security) and set CVAT_ACCESS_TOKEN."
        )
    if status == 403:
        return (
            f"{url}: 403 for {what}, this user has no permission; expected a user who has. "
            f"Use another login, or name the organization with --organization."
        )
    if status == 404:
        return (
            f"{url}: 404, {what} not found for this user; expected it to exist. "
            f"Check its number, or name its organization with --organization."
        )
    if status == 429:
        return f"{url}: 429 for {what}, too many requests; expected a response. Wait a little. {RESUME}"
    if status is not None and status >= 500:
        return (
            f"{url}: {status} for {what}, CVAT failed; expected a response. "
            f"Look for the cause with `docker logs --tail 100 cvat_server`. {RESUME}"
        )
    return f"{url}: {status} for {what}{server_message(error)}; expected a response. Check that the URL is CVAT's own."


def _explain_connection(url: str, what: str, error: Exception) -> str:
    if _is_redirect_loop(error):
        return f"{url}: too many redirects; expected CVAT. Use CVAT's own URL."
    reason = no_response(error)
    hint = proxy_hint(url)
    match reason.failure:
        case Failure.CERTIFICATE | Failure.NO_TLS:
            return (
                f"{url}: {reason}; expected a certificate that this machine trusts. Set SSL_CERT_FILE to the "
                f"authority's, or pass --insecure if the network is yours alone."
            )
        case Failure.HOST_NOT_FOUND:
            return f"{url}: host {urlsplit(url).hostname!r} not found; expected CVAT's host. Check the URL{hint}."
        case Failure.TIMED_OUT:
            return (
                f"{url}: no response in time for {what}; expected a response. Check the load of the server{hint}. "
                f"{RESUME}"
            )
        case Failure.BROKEN_OFF:
            return (
                f"{url}: the connection broke off during {what}; expected the whole response. Check the network{hint}. "
                f"{RESUME}"
            )
    return (
        f"{url}: no connection ({reason}); expected CVAT to listen there. Check host and port, and with `docker ps` "
        f"whether it runs{hint}. {RESUME}"
    )


def _is_redirect_loop(error: Exception) -> bool:
    return isinstance(getattr(error, "reason", error), urllib3.exceptions.ResponseError)
