"""`preannotate watch`: what it refuses, what it hands on, and the process as systemd sees it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from support import watched_run
from support.watched_run import order, runs

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from preannotate.core.locks import file_lock
from preannotate.jobs import watch_command
from preannotate.jobs.errors import WatchError
from preannotate.jobs.watch_command import WatchOptions, split_address
from preannotate.notifications.webhook import signature
from preannotate.pipeline.run_request import CvatAccess, RunRequest, write_run_request

SECRET = "a-secret-of-16-or-more"


@pytest.fixture
def model(tmp_path):
    """`boards` was asked for; there is no server, for nothing gets as far as that."""
    folder = tmp_path / "workspace" / "models" / "boards"
    write_run_request(folder / "run_request.json", RunRequest(cvat="http://localhost:9", tasks=(12,)))
    return folder


@pytest.fixture
def refused(model, capsys):
    def run(*options):
        workspace = str(model.parents[1])
        assert main(["watch", "--workspace", workspace, "--name", "boards", *options]) == COULD_NOT_RUN
        return capsys.readouterr().err.removeprefix("error: ").rstrip()

    return run


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--every", "ten"], "--every: 'ten'; expected 5s to 24h, as in 30s, 10m or 1h30m."),
        (["--every", "1s"], "--every: '1s'; expected 5s to 24h, as in 30s, 10m or 1h30m."),
        (["--new-jobs", "0"], "--new-jobs: 0; expected a number from 1 on."),
        (["--quiet-minutes", "-1"], "--quiet-minutes: -1; expected a number from 0 to 1440."),
        (["--quiet-minutes", "nan"], "--quiet-minutes: nan; expected a number from 0 to 1440."),
        (["--listen", "8090"], "--listen: '8090'; expected HOST:PORT, as in 127.0.0.1:8091 or 0.0.0.0:8091."),
        (
            ["--listen", "0.0.0.0:8090"],
            "--listen: 0.0.0.0:8090 without a secret, where other machines could start trainings; expected one. Put it "
            "into a file for --secret-file, or into PREANNOTATE_CVAT_WEBHOOK_SECRET.",
        ),
        (
            ["--listen", "127.0.0.1:0", "--once"],
            "--listen: with --once, which does not wait; expected one of them. Leave one out.",
        ),
        (
            ["--register", "http://a.example.org"],
            "--register, --secret-file: without --listen; expected HOST:PORT to listen on.",
        ),
        (
            ["--listen", "127.0.0.1:0", "--register", "http://a.example.org"],
            "--register: without a secret; expected --secret-file or PREANNOTATE_CVAT_WEBHOOK_SECRET, for CVAT to sign "
            "with.",
        ),
        (
            ["--notify"],
            "--notify: no recipient; expected PREANNOTATE_SMTP_HOST or PREANNOTATE_WEBHOOK_URL in the environment. "
            "Run `preannotate notify` to see all settings.",
        ),
    ],
)
def test_wrong_options(refused, options, said):
    assert refused(*options) == said


def test_a_model_that_was_never_run(refused, model):
    request = model / "run_request.json"
    said = f"{model}: never trained; expected an earlier run to repeat. Run once: preannotate run --cvat URL --task ID."
    request.write_text('{"format": 1}')
    assert refused() == said

    request.unlink()
    assert refused() == said


def test_an_address_to_register_that_is_none(refused, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_CVAT_WEBHOOK_SECRET", SECRET)

    assert refused("--listen", "127.0.0.1:0", "--register", "trainer:8091") == (
        "--register: 'trainer:8091'; expected a URL, as in http://localhost:8080. Write it with http://."
    )


def test_a_port_that_is_taken(refused):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert refused("--listen", f"127.0.0.1:{port}").splitlines()[-1] == (
            f"--listen: 127.0.0.1:{port}: Address already in use; expected a free port of this machine. Choose another."
        )


def test_two_watches(refused, model):
    with file_lock(model / ".watch.lock", "busy"):
        assert refused("--once") == f"{model}: is watched already; expected no other watch. Stop the other one."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"short", "5 characters; expected 16 to 64 letters, digits and signs without spaces. Make one with "
         "`python3 -c 'import secrets; print(secrets.token_urlsafe())'`."),
        (b"\xff" * 20, "not text; expected the secret. Write it again."),
        (None, "No such file or directory; expected a file that holds the secret. Check its permissions."),
    ],
)  # fmt: skip
def test_wrong_secrets(refused, tmp_path, content, said):
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    assert refused("--listen", "127.0.0.1:0", "--secret-file", str(file)) == f"--secret-file: {file}: {said}"


def test_a_wrong_secret_in_the_environment_is_not_shown(refused, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_CVAT_WEBHOOK_SECRET", "batterystaple")

    assert refused("--listen", "127.0.0.1:0").startswith("PREANNOTATE_CVAT_WEBHOOK_SECRET: 13 characters; expected")


@pytest.mark.parametrize(("text", "address"), [("a.b:1", ("a.b", 1)), ("[::1]:8090", ("::1", 8090))])
def test_addresses(text, address):
    assert split_address(text) == address


@pytest.mark.parametrize("text", ["", ":1", "a:b", "a:99999", "user@a:1", "a:1/cvat", "::1:8090"])
def test_no_addresses(text):
    with pytest.raises(WatchError, match="expected HOST:PORT"):
        split_address(text)


def test_the_run_is_the_last_one_with_the_login_of_the_watch(cvat, watched):
    cvat.tasks[12].organization = "acme"
    access = CvatAccess(organization="acme", insecure=True)

    options = WatchOptions(watched, "boards", once=True, annotate_rest=True, access=access)
    assert watch_command.run(options, command=watched_run.COMMAND) == 0

    user = [] if cvat.new else ["--auth", "ann"]
    assert runs(watched)[0]["arguments"] == [
        "run", "--workspace", str(watched), "--name", "boards", "--task", "12", "--annotate-rest", "--only-if-better",
        "--cvat", cvat.url, *user, "--organization", "acme", "--insecure",
    ]  # fmt: skip


@contextlib.contextmanager
def service(watched, **options):
    """A process of its own, as systemd starts it, with the fake in place of `run`."""
    script = (
        "import sys; from preannotate.jobs import watch_command as command; from pathlib import Path; import json\n"
        "options = command.WatchOptions(Path(sys.argv[1]), 'boards', **json.loads(sys.argv[2]))\n"
        "sys.exit(command.run(options, command=tuple(json.loads(sys.argv[3]))))"
    )
    environment = os.environ | {"PREANNOTATE_CVAT_WEBHOOK_SECRET": SECRET}
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(watched), json.dumps(options), json.dumps(watched_run.COMMAND)],
        stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_for(reached, seconds=20):
    end = time.monotonic() + seconds
    while not (found := reached()) and time.monotonic() < end:
        time.sleep(0.02)
    assert found
    return found


@pytest.mark.slow
def test_a_service_takes_a_signed_delivery_trains_and_ends_in_order(cvat, watched):
    listens = {"listen": "127.0.0.1:0", "every": "1h", "quiet_minutes": 0.0}
    listens["register"] = "http://trainer.example.org:8090"
    with service(watched, **listens) as process:
        lines = iter(process.stderr.readline, "")
        line = next(line for line in lines if "webhook 1 of CVAT" in line)
        assert "project 3: webhook 1 of CVAT notifies http://trainer.example.org:8090/cvat." in line
        url = re.search(r"on (http://\S+)\.", next(line for line in lines if "are received on" in line))[1]
        wait_for(lambda: len(runs(watched)) == 1)
        next(line for line in lines if "version 1 is ready" in line)
        cvat.tasks[12].jobs[1].state, cvat.tasks[12].jobs[1].updated = "completed", "2026-11-02T12:00:00Z"
        order(watched, cvat, seconds=30)
        job = {"id": 41, "task_id": 12, "project_id": 3, "state": "completed"}
        body = json.dumps({"event": "update:job", "job": job, "before_update": {"state": "in progress"}}).encode()

        secret = cvat.webhooks.made[1]["secret"]  # CVAT's own, as it was registered
        answers = [httpx.post(url, content=body, headers={"X-Signature-256": signature(secret, body)}) for _ in "123"]
        assert [answer.status_code for answer in answers] == [202] * 3
        assert httpx.post(url, content=body, headers={"X-Signature-256": "sha256=00"}).status_code == 401

        found = wait_for(lambda: runs(watched)[1:])
        assert found[0]["secrets"] == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        rest = "".join(lines)
        assert "stopped; the same command continues" in rest
        assert "The run was stopped; the next watch continues it." in rest
        assert SECRET not in rest
        with pytest.raises(ProcessLookupError):
            os.kill(found[0]["process"], 0)


def test_registering_twice_leaves_one_webhook_and_brings_it_up_to_date(cvat, watched):
    from preannotate.cvat.connection import connect
    from preannotate.cvat.login import Login
    from preannotate.cvat.server import register_webhook

    login = Login(cvat.url, user=None if cvat.new else "ann")
    url = "http://trainer.example.org:8090/cvat"

    numbers = [register_webhook(connect(login), 3, url=url, secret=f"{SECRET}{i}") for i in range(2)]

    assert numbers == [1, 1]
    assert cvat.webhooks.made == {
        1: {
            "id": 1,
            "type": "project",
            "project_id": 3,
            "target_url": url,
            "content_type": "application/json",
            "secret": f"{SECRET}1",
            "is_active": True,
            "enable_ssl": True,
            "events": ["update:job"],
            "description": "preannotate watch",
        }
    }


def test_a_task_outside_a_project_sends_no_webhooks(cvat, watched, caplog):
    from preannotate.jobs.watch_command import _register

    cvat.tasks[12].project_id = None
    request = RunRequest(cvat=cvat.url, user=None if cvat.new else "ann", tasks=(12,))

    _register(request, "http://a.example.org", SECRET)

    assert cvat.webhooks.made == {}
    assert caplog.messages == [
        "task 12: in no project, so CVAT cannot send webhooks about it; it is polled as --every says. "
        "Move it into a project to react sooner."
    ]


def test_a_lost_answer_makes_no_second_webhook(cvat):
    from preannotate.cvat.connection import connect
    from preannotate.cvat.login import Login
    from preannotate.cvat.server import register_webhook

    cvat.projects.append(3)
    cvat.fail("POST /api/webhooks", "lost", times=1)

    login = Login(cvat.url, user=None if cvat.new else "ann")
    assert register_webhook(connect(login), 3, url="http://trainer.example.org:8090/cvat", secret=SECRET) == 1
    assert len(cvat.webhooks.made) == 1
