"""HTTP with time limits, verified certificates and no redirects: a login must not travel to another host."""

import http.client
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from preannotate.core.errors import PreannotateError
from preannotate.diagnostics.finding import Finding, error

SECONDS = 10.0
# CVAT answers in a type of its own alone, and refuses who only takes JSON (406); nuclio and `serve` say JSON.
ACCEPT = "application/vnd.cvat+json, application/json"
_MOST_BYTES = 16 * 1024 * 1024
_MOST_WORDS = 300


class AddressError(PreannotateError, ValueError):
    """A URL on the command line is none."""


@dataclass(frozen=True)
class Reply:
    """An answer, or why there is none.

    Attributes:
        status: Of HTTP; 0 if there is no answer.
        body: As it came, shortened if it is very long.
        problem: Why there is no answer, in a few words.
        location: Where a redirect leads.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    problem: str = ""
    location: str = ""

    def json(self) -> Any:
        """The body as JSON; None if it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def words(self) -> str:
        """The body in a few words, as far as it is meant for people."""
        content = self.json()
        if isinstance(content, dict):
            content = content.get("detail") or content.get("error") or content.get("message")
        if isinstance(content, list):
            content = "; ".join(item for item in content if isinstance(item, str))
        if content is None and not self.body.lstrip().startswith((b"<", b"{")):
            content = self.body.decode("utf-8", "replace")
        return " ".join(content.split())[:_MOST_WORDS] if isinstance(content, str) else ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Leave a redirect as the answer."""


_OPENER = urllib.request.build_opener(_NoRedirects)


def address(option: str, url: str) -> str:
    """The URL without what follows its path.

    Raises:
        AddressError: It is none, or carries a password, which would end in logs.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port
        usable = False
    if not usable:
        raise AddressError(f"{option}: {url!r}; expected a URL, as in http://localhost:8080. Write it with http://.")
    if "@" in parts.netloc:
        raise AddressError(
            f"{option}: a URL with a login in it; expected one without. Put the login into the environment: "
            f"CVAT_ACCESS_TOKEN."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def ask(url: str, headers: Mapping[str, str], *, body: Any = None, seconds: float = SECONDS) -> Reply:
    """GET, or POST with a body that becomes JSON.

    Args:
        url: Of http or https.
        headers: Of the request.
        body: JSON to send; None asks with GET.
        seconds: How long each step may take.
    """
    data = None if body is None else json.dumps(body).encode()
    kind = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, {"Accept": ACCEPT, **kind, **headers})
    try:
        with _OPENER.open(request, timeout=seconds) as answer:
            return Reply(answer.status, answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as answer:
        with answer:
            return Reply(answer.code, answer.read(_MOST_BYTES), location=answer.headers.get("Location", ""))
    except urllib.error.URLError as failed:
        return Reply(0, problem=_words(failed.reason))
    except (OSError, http.client.HTTPException) as failed:
        return Reply(0, problem=_words(failed))


def no_answer(where: str, reply: Reply, *, starting: str) -> Finding | None:
    """What is wrong if there is no answer at all, or only a redirect; None if there is one.

    Args:
        where: The URL.
        reply: What came.
        starting: How to start whatever should answer.
    """
    if 300 <= reply.status < 400:
        return error(where, f"leads elsewhere (to {reply.location or 'nowhere'}).", "Use the URL it leads to.")
    if reply.status:
        return None
    proxy = any(os.environ.get(name) for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"))
    hint = f" A proxy is set here: add {urlsplit(where).hostname} to no_proxy." if proxy else ""
    remedies = {
        "certificate": "Put the authority's certificate in place: export SSL_CERT_FILE=/path/to/authority.pem",
        "refused": f"Look at host and port; {starting}",
        "not known": "Look at the name of the host; a name of Docker, such as nuclio, is known to its containers only.",
        "timed out": f"Look at host, port and firewall; {starting}",
    }
    remedy = next((text for words, text in remedies.items() if words in reply.problem), f"Look at the URL; {starting}")
    return error(where, f"no answer: {reply.problem}.", remedy + hint)


def _words(reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({reason.verify_message})"
    if isinstance(reason, ssl.SSLError):
        return f"no TLS there ({reason.reason or reason})"
    if isinstance(reason, TimeoutError):
        return "timed out"
    if isinstance(reason, ConnectionRefusedError):
        return "connection refused"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__
