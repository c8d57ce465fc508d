"""What can go wrong on the way to CVAT and back, each in one sentence."""

import ssl
from urllib.parse import urlsplit

import urllib3.exceptions as http
from cvat_sdk.api_client.exceptions import ApiException

from preannotate.cvat.errors import CvatError

# What requests raise through cvat-sdk; its own exceptions for wrong arguments are faults of this program.
FAULTS = (http.HTTPError, ApiException)
# Too many requests, and what proxies and servers say while something restarts.
_TRANSIENT = (429, 500, 502, 503, 504)
_MOST_LETTERS = 200
GO_ON = "The same command goes on where it stopped."


def is_transient(fault: Exception) -> bool:
    """Whether asking again may help."""
    cause = _cause(fault)
    if isinstance(cause, ApiException):
        return cause.status in _TRANSIENT
    return not isinstance(cause, http.SSLError | ssl.SSLError | http.NameResolutionError | http.ResponseError)


def seconds_to_wait(fault: Exception) -> float | None:
    """What the server asks for (Retry-After, in seconds), if it does."""
    headers = getattr(fault, "headers", None) or {}
    text = str(headers.get("Retry-After", ""))
    return float(text) if text.isdecimal() else None


def described(url: str, what: str, fault: Exception) -> CvatError:
    """The fault in one sentence.

    Args:
        url: Of the server.
        what: Was asked for: "task 12", "frame 3 of task 12".
        fault: One of `FAULTS`.
    """
    cause = _cause(fault)
    if isinstance(cause, ApiException):
        return CvatError(_status(url, what, cause))
    return CvatError(_network(url, what, cause))


def _cause(fault: Exception) -> Exception:
    """What urllib3 gave up for."""
    return fault.reason if isinstance(fault, http.MaxRetryError) and fault.reason is not None else fault


def _status(url: str, what: str, fault: ApiException) -> str:
    status = fault.status
    if status == 401 or (status == 400 and what == "the login"):
        return (
            f"{url}: {status} for {what}, the login is not accepted; expected a valid one. A password may be wrong, an "
            f"access token expired: make one in CVAT (Profile, Security) and set CVAT_ACCESS_TOKEN."
        )
    if status == 403:
        return (
            f"{url}: 403 for {what}, this user is not allowed to; expected one who is. "
            f"Use another login, or name the organisation with --organization."
        )
    if status == 404:
        return (
            f"{url}: 404, there is no {what} for this user; expected it. "
            f"Look at its number; name its organisation with --organization."
        )
    if status == 429:
        return f"{url}: 429 for {what}, too many requests; expected an answer. Wait a little. {GO_ON}"
    if status is not None and status >= 500:
        return (
            f"{url}: {status} for {what}, CVAT failed; expected an answer. "
            f"`docker logs --tail 100 cvat_server` says why. {GO_ON}"
        )
    return f"{url}: {status} for {what}{_said(fault)}; expected an answer. Look at the URL: is it CVAT's own?"


def _said(fault: ApiException) -> str:
    """The server's own words, as far as they are meant for people."""
    body = fault.body or ""
    text = " ".join((body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)).split())
    return "" if not text or text.startswith("<") else f" ({text[:_MOST_LETTERS]})"


def _network(url: str, what: str, cause: Exception) -> str:
    if isinstance(cause, http.SSLError | ssl.SSLError):
        return (
            f"{url}: no trusted connection ({_reason(cause)}); expected a certificate that this machine knows. Set "
            f"SSL_CERT_FILE to the authority's, or pass --insecure if the network is yours alone."
        )
    if isinstance(cause, http.NameResolutionError):
        return f"{url}: nobody knows the host {urlsplit(url).hostname!r}; expected CVAT's. Look at the URL."
    if isinstance(cause, http.NewConnectionError):
        return (
            f"{url}: no connection ({_reason(cause)}); expected CVAT to listen there. "
            f"Look at host and port, and whether it runs: docker ps. {GO_ON}"
        )
    if isinstance(cause, http.TimeoutError):
        return f"{url}: no answer in time for {what}; expected one. Look at how busy the server is. {GO_ON}"
    if isinstance(cause, http.ResponseError):
        return f"{url}: leads elsewhere, again and again; expected CVAT. Give CVAT's own address."
    return f"{url}: the connection broke off at {what}; expected all of it. Look at the network. {GO_ON}"


def _reason(cause: BaseException) -> str:
    """The operating system's or OpenSSL's words."""
    inner: BaseException | None = cause
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return inner.verify_message
        if isinstance(inner, ssl.SSLError):
            return inner.reason or "no TLS there"
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror.lower()
        arguments = [one for one in inner.args if isinstance(one, BaseException)]
        inner = arguments[0] if arguments else inner.__cause__ or inner.__context__
    return str(cause)
