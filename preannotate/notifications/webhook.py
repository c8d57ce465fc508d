"""A message as JSON to whoever wants to know, signed as CVAT signs what it sends.

`X-Signature-256: sha256=…` is the HMAC-SHA256 of the raw body. What may help is tried again; `X-Delivery` is the same
then, so that a receiver can tell. `text` is there because chat servers show it.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

from preannotate.notifications.errors import NotifyError
from preannotate.notifications.mail import clean, one_line
from preannotate.notifications.message import Message
from preannotate.notifications.settings import WebhookSettings

FORMAT = 1
SIGNATURE = "X-Signature-256"
SECONDS = 10.0
# Before the second and the third attempt.
WAITS = (1.0, 5.0)
_TRANSIENT = (408, 429, 500, 502, 503, 504)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A message goes to the address that was named, and nowhere else."""


_OPENER = urllib.request.build_opener(_NoRedirects)


def signature(secret: str | bytes, body: bytes) -> str:
    """What `X-Signature-256` says of a body."""
    key = secret.encode() if isinstance(secret, str) else secret
    return "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()


def payload(message: Message) -> dict[str, Any]:
    """The JSON of a message; the picture is left out."""
    return {
        "format": FORMAT,
        "event": "failed" if message.failed else "done",
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "title": one_line(message.title),
        "message": clean(message.text),
        "facts": {one_line(name): one_line(value) for name, value in message.facts.items()},
        "link": message.link,
        "text": f"{one_line(message.title)}\n{clean(message.plain())}",
    }


def post(settings: WebhookSettings, message: Message) -> None:
    """Deliver a message.

    Raises:
        NotifyError: A few attempts did not help, or more would not.
    """
    body = json.dumps(payload(message), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "preannotate", "X-Delivery": str(uuid.uuid4())}
    if settings.secret:
        headers[SIGNATURE] = signature(settings.secret, body)
    where = f"webhook {settings.host}"
    for wait in (*WAITS, None):
        problem, transient = _attempt(urllib.request.Request(settings.url, body, headers))
        if not problem:
            return
        if wait is None or not transient:
            raise NotifyError(f"{where}: {problem}")
        time.sleep(wait)


def _attempt(request: urllib.request.Request) -> tuple[str, bool]:
    """What is wrong, "" if nothing is; and whether another attempt may help."""
    try:
        with _OPENER.open(request, timeout=SECONDS):
            return "", False
    except urllib.error.HTTPError as error:
        error.close()
        if 300 <= error.code < 400:
            return f"{error.code}, leads elsewhere; expected the receiver. Name the address that it leads to.", False
        words = f"{error.code}; expected it to be taken. Look at the address, the secret and the receiver's log."
        return words, error.code in _TRANSIENT
    except urllib.error.URLError as error:
        return _described(error.reason)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        return _described(error)


def _described(reason: object) -> tuple[str, bool]:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({reason.verify_message}); expected one that this machine knows. "
            f"Set SSL_CERT_FILE to the authority's.",
            False,
        )
    if isinstance(reason, ssl.SSLError):
        return "no TLS there; expected it, as the address begins with https. Look at the port.", False
    if isinstance(reason, TimeoutError):
        return f"no answer within {SECONDS:g} s; expected one. Look at host, port and firewall.", True
    if isinstance(reason, socket.gaierror | UnicodeError):
        return "nobody knows that host; expected the receiver's. Look at the address.", False
    if isinstance(reason, OSError) and reason.strerror:
        return f"no connection ({reason.strerror.lower()}); expected one. Look at host and port.", True
    return "the connection broke off; expected an answer. Look at the receiver's log.", True
