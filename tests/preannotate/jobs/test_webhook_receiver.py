"""Deliveries as CVAT sends them and as it does not, over real HTTP."""

import asyncio
import contextlib
import json
import threading

import httpx
import pytest

from preannotate.jobs import webhook_receiver as module
from preannotate.jobs.webhook_receiver import RejectionLog, check_delivery, webhook_app
from preannotate.notifications.webhook import signature
from preannotate.pipeline.run_request import RunRequest
from preannotate.serving.listener import Listener

SECRET = "a secret of 16 or more".replace(" ", "-")
WATCHED = RunRequest(tasks=(12,), projects=(3,), jobs=(77,))
JOB = {"id": 40, "task_id": 12, "project_id": None, "stage": "acceptance", "state": "completed", "type": "annotation"}
COMPLETED = {"event": "update:job", "job": JOB, "before_update": {"state": "in progress", "updated_date": "…"}}


class Hook:
    """A receiver at work, and how often it asked for a poll."""

    def __init__(self, url):
        self.url = url
        self.polls = 0

    def deliver(self, content, *, signed=None, body=None, path="/cvat", **more):
        body = json.dumps(content).encode() if body is None else body
        headers = {"X-Signature-256": signature(SECRET, body) if signed is None else signed, **more}
        return httpx.post(self.url + path, content=body, headers={k: v for k, v in headers.items() if v})


@contextlib.contextmanager
def running(secret):
    """On a free port, in a loop of its own."""
    hook, loop, stop, ready = Hook(""), asyncio.new_event_loop(), [], threading.Event()

    async def serve():
        ended = asyncio.Event()
        stop.append(ended)

        def poll_now():
            hook.polls += 1

        listener = Listener(webhook_app(secret=secret, watched=lambda: WATCHED, poll_now=poll_now), "127.0.0.1", 0)
        hook.url = f"http://127.0.0.1:{listener.port}"
        ready.set()
        await ended.wait()
        await listener.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield hook
    finally:
        loop.call_soon_threadsafe(stop[0].set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def shared():
    with running(SECRET) as found:
        yield found


@pytest.fixture
def hook(shared):
    shared.polls = 0
    return shared


def test_a_completed_job_brings_a_poll(hook):
    answer = hook.deliver(COMPLETED)

    assert (answer.status_code, answer.text, hook.polls) == (202, "job 40 is completed\n", 1)


@pytest.mark.parametrize("change", [{"task_id": 9, "project_id": 3}, {"id": 77, "task_id": 9}])
def test_a_job_of_a_watched_project_or_named_itself_brings_one(hook, change):
    assert hook.deliver(COMPLETED | {"job": JOB | change}).status_code == 202
    assert hook.polls == 1


def test_a_delivery_that_comes_twice_is_taken_twice_and_does_no_more(hook):
    """Both only bring the next poll forward; `test_watcher` shows that one run comes of it."""
    assert [hook.deliver(COMPLETED).status_code for _ in range(2)] == [202, 202]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"event": "update:job", "job": JOB}, "ignored: job 40 was saved, its state did not change"),
        ({"event": "update:task", "task": {}}, "ignored: 'update:task'"),
        (COMPLETED | {"job": JOB | {"task_id": 9}}, "ignored: job 40 is not watched"),
        (COMPLETED | {"job": JOB | {"task_id": True}}, "ignored: job 40 is not watched"),
        (COMPLETED | {"job": JOB | {"state": "in progress"}}, "ignored: job 40 is 'in progress'"),
        (
            COMPLETED | {"before_update": {"updated_date": "2026-11-02T10:19:00Z"}},
            "ignored: job 40 was saved, its state did not change",
        ),
    ],
)
def test_what_does_not_count_is_ignored(hook, content, line):
    answer = hook.deliver(content)

    assert (answer.status_code, answer.content, hook.polls) == (204, b"", 0)
    assert check_delivery(json.dumps(content).encode(), None, secret="", watched=WATCHED).line == line


def test_a_ping_is_answered(hook):
    assert hook.deliver({"event": "ping", "webhook": {}, "sender": {}}).status_code == 200
    assert hook.polls == 0


def test_a_tampered_body(hook):
    body = json.dumps(COMPLETED).encode()

    answer = hook.deliver(None, body=body.replace(b"40", b"41"), signed=signature(SECRET, body))

    assert (answer.status_code, hook.polls) == (401, 0)
    assert answer.text.startswith("missing or wrong X-Signature-256; ")


@pytest.mark.parametrize(
    "signed", ["", "sha256=", "sha256=00", "sha1=abc", "größer".encode(), signature("another secret of mine", b"{}")]
)
def test_a_missing_or_wrong_signature(hook, signed):
    assert hook.deliver(COMPLETED, signed=signed).status_code == 401
    assert hook.polls == 0


def test_the_signature_is_checked_before_anything_is_read(hook):
    assert hook.deliver(None, body=b"{", signed="sha256=00").status_code == 401


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[]", b"3", b"{}", b'{"event": 3}', b"[" * 100_000, b'{"event": "update:job"}']
)
def test_what_no_cvat_sends(hook, body):
    assert hook.deliver(None, body=body).status_code == 400
    assert hook.polls == 0


def test_a_body_that_is_too_large_is_not_read(hook, monkeypatch):
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 1000)

    assert hook.deliver(None, body=b" " * 1001).status_code == 413
    assert httpx.post(hook.url + "/cvat", content=iter([b" " * 600] * 4)).status_code == 413  # no length is declared
    assert hook.deliver(COMPLETED).status_code == 202


def test_a_body_that_does_not_come(hook, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.1)

    def slowly():
        yield b"{"
        threading.Event().wait(0.5)
        yield b"}"

    with contextlib.suppress(httpx.HTTPError):
        assert httpx.post(hook.url + "/cvat", content=slowly()).status_code == 408
    assert hook.polls == 0


def test_other_addresses_and_methods(hook):
    assert hook.deliver(COMPLETED, path="/").status_code == 404
    assert httpx.get(hook.url + "/cvat").status_code == 405
    assert httpx.get(hook.url + "/health").text == "ok\n"
    assert hook.polls == 0


def test_without_a_secret_everything_is_accepted():
    with running("") as hook:
        assert hook.deliver(COMPLETED, signed="").status_code == 202
        assert hook.polls == 1


def test_a_strangers_words_are_fit_for_a_log():
    line = check_delivery(json.dumps({"event": "a\nb" + "c" * 9999}).encode(), None, secret="", watched=WATCHED).line

    assert "\n" not in line
    assert len(line) < 200


def test_strangers_do_not_fill_the_log():
    now = [0.0]
    rejections = RejectionLog(lambda: now[0])

    assert [rejections.line("no") for _ in range(100)] == ["no", *[""] * 99]
    now[0] = 61.0
    assert rejections.line("no") == "no (99 more were rejected before)"
