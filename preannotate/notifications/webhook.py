"""Messages as JSON to a webhook, signed as CVAT signs its own.

`X-Signature-256: sha256=…` is the HMAC-SHA256 of the raw body. A delivery that may succeed later is repeated with the
same `X-Delivery`, so that a receiver can recognise it. `text` is the field that chat servers show.
"""

import datetime
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

from preannotate.core import http
from preannotate.core.http import Failure
from preannotate.notifications.message import Message, NotifyError, clean, one_line
from preannotate.notifications.settings import WebhookSettings

FORMAT = 1
SIGNATURE_HEADER = "X-Signature-256"
TIMEOUT_SECONDS = 10.0
# Before the second and the third attempt.
RETRY_WAIT_SECONDS = (1.0, 5.0)
_TRANSIENT_STATUS = (408, 429, 500, 502, 503, 504)
_TRANSIENT_FAILURES = (Failure.TIMED_OUT, Failure.REFUSED, Failure.BROKEN_OFF, Failure.OTHER)


def signature(secret: str | bytes, body: bytes) -> str:
    """Return the value of `X-Signature-256` for a body."""
    key = secret.encode() if isinstance(secret, str) else secret
    return "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()


def payload(message: Message) -> dict[str, Any]:
    """Return a message as JSON, without its picture."""
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


def post_message(settings: WebhookSettings, message: Message) -> None:
    """Deliver a message.

    Raises:
        NotifyError: It could not be delivered, after a few attempts where more may help.
    """
    body = json.dumps(payload(message), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "X-Delivery": str(uuid.uuid4())}
    if settings.secret:
        headers[SIGNATURE_HEADER] = signature(settings.secret, body)
    for wait in (*RETRY_WAIT_SECONDS, None):
        problem, transient = _attempt(settings.url, body, headers)
        if not problem:
            return
        if wait is None or not transient:
            raise NotifyError(f"webhook {settings.host}: {problem}")
        time.sleep(wait)


def _attempt(url: str, body: bytes, headers: dict[str, str]) -> tuple[str, bool]:
    """Post once; returns the problem, "" if there is none, and whether another attempt may help."""
    try:
        status = http.request("POST", url, headers=headers, body=body, timeout=TIMEOUT_SECONDS).status
    except http.NoResponseError as error:
        return _explain(error), error.failure in _TRANSIENT_FAILURES
    if status < 300:
        return "", False
    if status < 400:
        return f"{status}, a redirect; expected the receiver. Use the URL that it redirects to.", False
    return f"{status}; expected 200. Check the URL, the secret and the receiver's log.", status in _TRANSIENT_STATUS


def _explain(error: http.NoResponseError) -> str:
    match error.failure:
        case Failure.CERTIFICATE:
            return f"{error}; expected one that this machine trusts. Set SSL_CERT_FILE to its authority's."
        case Failure.NO_TLS:
            return "no TLS; expected it, because the URL begins with https. Check the port."
        case Failure.TIMED_OUT:
            return f"no response within {TIMEOUT_SECONDS:g} s; expected one. Check host, port and firewall."
        case Failure.HOST_NOT_FOUND:
            return "host not found; expected the receiver's. Check the URL."
        case Failure.BROKEN_OFF:
            return "the connection broke off; expected a response. Check the receiver's log."
    return f"no connection ({error}); expected one. Check host and port."
