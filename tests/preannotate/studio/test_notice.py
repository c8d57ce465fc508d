"""The message at the end of a run, sent by the studio to a webhook on loopback."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from preannotate.jobs.notice import message, tell
from preannotate.jobs.queue import DONE, FAILED, STOPPED, Order, Run
from preannotate.notifications import NotifySettings, WebhookSettings, webhook
from preannotate.registry.workspace import write_json


@pytest.fixture
def run(workspace):
    def make(**more):
        said = {
            "id": 7, "kind": "train", "model_name": "forklifts", "state": DONE, "created": "", "began": "",
            "ended": "", "error": "", "order": Order(tasks=(12,)), "version": 1,
            "folder": workspace.path / "studio" / "runs" / "7", "model_folder": workspace.model("forklifts").path,
        }  # fmt: skip
        return Run(**said | more)

    return make


@contextlib.contextmanager
def receiver():
    """URL of a webhook, and what it got."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", got
    finally:
        server.shutdown()
        server.server_close()


def test_a_training_that_is_done_links_to_its_page(run, workspace):
    model = workspace.model("forklifts")
    (model.version(1).function / "nuclio").mkdir(parents=True)
    record = {"number": 1, "map50": 0.93, "mean_ap": 0.6, "model": "ssd-mobilenet-v2", "labels": ["a"]}
    write_json(model.version(1).record_file, record)
    stages = [{"name": "pull", "state": "done", "began": "", "ended": "", "detail": ""}]
    write_json(model.progress, {"process": 1, "version": 1, "error": "", "stages": stages})
    told = message(run(), 0, workspace, "https://studio.example.org")

    assert told.title == "forklifts: version 1 is ready, mAP50 0.93"
    assert told.link == "https://studio.example.org/runs/7"
    assert not told.failed


def test_a_failure_has_the_sentence(run, workspace):
    told = message(run(state=FAILED, error="task 12: no boxes; expected some."), 2, workspace, "")

    assert (told.title, told.text, told.link, told.failed) == (
        "forklifts: the run failed", "task 12: no boxes; expected some.", "", True,
    )  # fmt: skip


def test_other_ends(run, workspace):
    stopped = message(run(state=STOPPED), 130, workspace, "")
    reviewed = message(run(kind="review"), 0, workspace, "")

    assert (stopped.title, stopped.failed) == ("forklifts: the run was stopped", False)
    assert (reviewed.title, reviewed.text) == (
        "forklifts: review of task 12 is done", "The list of disagreements is ready.",
    )  # fmt: skip


def test_it_is_sent(run, studio):
    studio.settings.set_link_base("http://127.0.0.1:8060")
    with receiver() as (url, got):
        studio.settings.set_notifications(NotifySettings(None, WebhookSettings(url)))
        problems = tell(run(state=FAILED, error="no boxes."), 2, studio.workspace, studio.settings)

    assert problems == []
    assert "http://127.0.0.1:8060/runs/7" in json.dumps(got)


def test_a_receiver_that_is_gone_is_a_sentence(run, studio, monkeypatch):
    monkeypatch.setattr(webhook, "RETRY_WAIT_SECONDS", ())
    studio.settings.set_notifications(NotifySettings(None, WebhookSettings("http://127.0.0.1:1/hook")))
    (problem,) = tell(run(state=FAILED, error="no boxes."), 2, studio.workspace, studio.settings)

    assert "http://127.0.0.1:1" in problem
