"""Messages as JSON, to a real receiver on loopback."""

import hashlib
import hmac
import json
import socket
import threading
from pathlib import Path

import pytest

from preannotate.notifications import webhook as module
from preannotate.notifications.delivery import deliver
from preannotate.notifications.message import Message
from preannotate.notifications.settings import NotifySettings, WebhookSettings

MESSAGE = Message(
    "boards: größer\nready", "It is published.", "https://x.example.org/", {"mAP50": "0.93"}, Path("a.png")
)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr(module, "RETRY_WAIT_SECONDS", (0.0, 0.0))


def tell(url, secret=""):
    return deliver(NotifySettings(None, WebhookSettings(url, secret)), MESSAGE)


def test_the_body_has_what_a_program_and_what_a_chat_wants(receiver):
    assert tell(receiver.url) == []

    (body,) = map(json.loads, receiver.bodies)
    assert body.pop("at")
    assert body == {
        "format": 1,
        "event": "done",
        "title": "boards: größer ready",
        "message": "It is published.",
        "facts": {"mAP50": "0.93"},
        "link": "https://x.example.org/",
        "text": "boards: größer ready\nIt is published.\n\nmAP50: 0.93\n\nhttps://x.example.org/",
    }
    assert receiver.headers[0]["Content-Type"] == "application/json"
    assert module.SIGNATURE_HEADER not in receiver.headers[0]


def test_the_signature_is_that_of_the_raw_body(receiver):
    tell(receiver.url, "s3cret")

    expected = hmac.new(b"s3cret", receiver.bodies[0], hashlib.sha256).hexdigest()
    assert receiver.headers[0][module.SIGNATURE_HEADER] == f"sha256={expected}"


def test_what_may_help_is_tried_again_as_the_same_delivery(receiver):
    receiver.statuses = [500, 429]

    assert tell(receiver.url) == []
    assert len(receiver.bodies) == 3
    assert len({headers["X-Delivery"] for headers in receiver.headers}) == 1


def test_a_few_attempts_and_then_a_sentence_without_the_path(receiver):
    receiver.statuses = [503] * 9
    host = receiver.url.removesuffix("/hooks/very-secret-path")

    assert tell(receiver.url) == [
        f"webhook {host}: 503; expected 200. Check the URL, the secret and the receiver's log."
    ]
    assert len(receiver.bodies) == 3


def test_what_would_not_help_is_not_tried_again(receiver):
    receiver.statuses = [403]

    assert "403; expected 200" in tell(receiver.url)[0]
    assert len(receiver.bodies) == 1


def test_no_redirect_is_followed(receiver):
    receiver.statuses, receiver.location = [302], receiver.url + "/elsewhere"
    host = receiver.url.removesuffix("/hooks/very-secret-path")

    assert tell(receiver.url) == [
        f"webhook {host}: 302, a redirect; expected the receiver. Use the URL that it redirects to."
    ]
    assert len(receiver.bodies) == 1


def test_time_out(receiver, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.1)
    receiver.slow = threading.Event()

    assert tell(receiver.url)[0].endswith("no response within 0.1 s; expected one. Check host, port and firewall.")
    assert len(receiver.bodies) == 3


def test_refused():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

        assert tell(f"{url}/a") == [
            f"webhook {url}: no connection (connection refused); expected one. Check host and port."
        ]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example.org"])
def test_an_unknown_host(host):
    assert tell(f"http://{host}/a") == [
        f"webhook http://{host}: host not found; expected the receiver's. Check the URL."
    ]


def test_bad_news_say_so(receiver):
    deliver(NotifySettings(None, WebhookSettings(receiver.url)), Message("a", "b", failed=True))

    assert json.loads(receiver.bodies[0])["event"] == "failed"
