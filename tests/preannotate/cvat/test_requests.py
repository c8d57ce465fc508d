"""Each fault of the network, through the real cvat-sdk: one sentence, and nothing half-done."""

import json
import re
import socket
import ssl

import pytest
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask, StandIn, picture, rectangle

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from preannotate.cvat import limited_http, requests

RESUME = "Run the same command again to continue."


def dock():
    images = [(f"cam{i}.png", picture(i)) for i in range(8)]
    shapes = [rectangle(frame, 7, [1, 2, 30, 40]) for frame in range(8)]
    return FakeTask(12, images, [FakeLabel(7, "forklift")], [FakeJob(40, 0, 7, shapes=shapes)])


@pytest.fixture
def pull(cvat, tmp_path, capsys):
    """Run the command; what it prints to stderr, if it fails as it should."""
    cvat.add(dock())

    def run(*options, expected=COULD_NOT_RUN):
        code = main(["pull", "--cvat", cvat.url, "--task", "12", "--output", str(tmp_path / "pulled"), *options])
        said = capsys.readouterr().err
        assert code == expected, said
        return said

    return run


def no_annotations(folder):
    """Whether no reader can take it for an export."""
    return not (folder / "annotations.xml").exists() and not (folder / "source.json").exists()


def test_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", "a")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

        assert main(["pull", "--cvat", url, "--task", "12", "--output", str(tmp_path / "pulled")]) == COULD_NOT_RUN

    assert capsys.readouterr().err == (
        f"error: {url}: no connection (connection refused); expected CVAT to listen there. Check host and port, and "
        f"with `docker ps` whether it runs. {RESUME}\n"
    )
    assert not (tmp_path / "pulled").exists()


def test_an_unknown_host(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", "a")
    url = "http://no-such-host.invalid"

    main(["pull", "--cvat", url, "--task", "12", "--output", str(tmp_path / "pulled")])

    assert capsys.readouterr().err == (
        f"error: {url}: host 'no-such-host.invalid' not found; expected CVAT's host. Check the URL.\n"
    )


def test_slow(cvat, pull, tmp_path, monkeypatch):
    monkeypatch.setattr(limited_http, "TIMEOUT_SECONDS", (0.2, 0.2))
    cvat.fail("/api/tasks/12/data/meta", "slow")

    assert pull() == (
        f"error: {cvat.url}: no response in time for frames of task 12; expected a response. "
        f"Check the load of the server. {RESUME}\n"
    )
    assert len(cvat.asked("GET /api/tasks/12/data/meta")) == requests.ATTEMPTS
    assert not (tmp_path / "pulled").exists()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_failing(cvat, pull, tmp_path, status):
    cvat.fail("/api/jobs/40/annotations/", "status", status=status)

    assert pull() == (
        f"error: {cvat.url}: {status} for annotations of job 40, CVAT failed; expected a response. "
        f"Look for the cause with `docker logs --tail 100 cvat_server`. {RESUME}\n"
    )
    assert not (tmp_path / "pulled").exists()


def test_a_server_that_fails_three_times_is_asked_again(cvat, pull):
    cvat.fail("/api/jobs/40/annotations/", "status", times=3)
    cvat.fail("/api/tasks/12/data/?", "vanish", times=3)
    cvat.fail("/api/labels", "status", status=429, times=1)

    pull(expected=0)


def test_too_many_requests(cvat, pull):
    cvat.fail("/api/labels", "status", status=429)

    assert pull() == (
        f"error: {cvat.url}: 429 for labels of task 12, too many requests; expected a response. "
        f"Wait a little. {RESUME}\n"
    )


def test_cut_in_the_middle_of_an_image(cvat, pull, tmp_path):
    cvat.fail("/api/tasks/12/data/?number=5", "cut")

    assert pull() == (
        f"error: {cvat.url}: the connection broke off during frame 5 of task 12; expected the whole response. "
        f"Check the network. {RESUME}\n"
    )
    assert no_annotations(tmp_path / "pulled")
    whole = [picture(i) for i in range(8)]
    images = [path for path in (tmp_path / "pulled" / "images").rglob("*") if path.is_file()]
    assert images
    assert all(path.read_bytes() in whole for path in images)


def test_after_a_cut_the_pull_goes_on(cvat, pull, tmp_path):
    cvat.fail("/api/tasks/12/data/?number=7", "cut", times=requests.ATTEMPTS)
    pull()
    before = len(list((tmp_path / "pulled" / "images").rglob("*.png")))
    cvat.requests.clear()

    pull(expected=0)

    assert before > 0
    assert len(cvat.asked("GET /api/tasks/12/data/?")) == 8 - before
    assert cvat.asked("GET /api/jobs/40/annotations/") == []


def test_a_cut_answer_of_the_server_that_is_json(cvat, pull):
    cvat.fail("/api/jobs/40/annotations/", "cut")

    assert pull() == (
        f"error: {cvat.url}: the connection broke off during annotations of job 40; expected the whole response. "
        f"Check the network. {RESUME}\n"
    )


def test_an_expired_token(newest, tmp_path, monkeypatch, capsys):
    newest.add(dock())
    newest.tokens.clear()

    assert main(["pull", "--cvat", newest.url, "--task", "12", "--output", str(tmp_path / "pulled")]) == COULD_NOT_RUN

    assert capsys.readouterr().err == (
        f"error: {newest.url}: 401 for task 12, the login is rejected; expected a valid login. Check the password, "
        f"or make a new access token in CVAT (Profile, Security) and set CVAT_ACCESS_TOKEN.\n"
    )


def test_a_token_that_expires_between_two_images(newest, tmp_path, capsys):
    newest.add(dock())
    newest.fail("/api/tasks/12/data/?number=6", "status", status=401)

    main(["pull", "--cvat", newest.url, "--task", "12", "--output", str(tmp_path / "pulled")])

    assert capsys.readouterr().err == (
        f"error: {newest.url}: 401 for frame 6 of task 12, the login is rejected; expected a valid login. Check the "
        f"password, or make a new access token in CVAT (Profile, Security) and set CVAT_ACCESS_TOKEN.\n"
    )
    assert no_annotations(tmp_path / "pulled")


def test_forbidden(cvat, pull):
    cvat.fail("/api/tasks/12", "status", status=403)

    assert pull() == (
        f"error: {cvat.url}: 403 for task 12, this user has no permission; expected a user who has. "
        f"Use another login, or name the organization with --organization.\n"
    )


def test_no_such_task(cvat, pull):
    del cvat.tasks[12]

    assert pull() == (
        f"error: {cvat.url}: 404, task 12 not found for this user; expected it to exist. "
        f"Check its number, or name its organization with --organization.\n"
    )
    assert len(cvat.asked("GET /api/tasks/12")) == 1


def test_an_odd_status(cvat, pull):
    cvat.fail("/api/tasks/12", "status", status=418)

    assert pull() == (
        f"error: {cvat.url}: 418 for task 12 (no); expected a response. Check that the URL is CVAT's own.\n"
    )


def test_another_web_server(cvat, pull):
    cvat.fail("/api/server/about", "garbage")

    assert pull() == f"error: {cvat.url}: its version is not JSON; expected CVAT's response. Use CVAT's own URL.\n"


def test_a_version_of_another_age(cvat, pull):
    cvat.version = "1.7.0"

    assert pull() == f"error: {cvat.url}: CVAT 1.7.0; expected 2.15 or newer. Update the server.\n"


def test_a_version_that_is_none(cvat, pull):
    cvat.version = "latest"

    assert pull() == (f"error: {cvat.url}: a server that is not CVAT; expected CVAT's version. Use CVAT's own URL.\n")


def test_an_answer_of_an_unknown_form(cvat, pull):
    del cvat.tasks[12].jobs[0].shapes[0]["points"]

    assert pull() == (
        f"error: {cvat.url}: annotations of job 40: shapes[0].points is missing; expected a list of numbers. "
        f"Check whether the server is CVAT 2.15 or newer, and whether something on the way changes its responses.\n"
    )


@pytest.mark.parametrize("kind", ["garbage", "status"])
def test_a_broken_frame_is_named_and_left_out(cvat, pull, tmp_path, kind):
    cvat.fail("/api/tasks/12/data/?number=3", kind, status=500)

    assert pull(expected=0) == ""

    source = json.loads((tmp_path / "pulled" / "source.json").read_text())
    assert source["left_out"] == {"whose images are broken": 1}
    assert source["training"] == {"annotated": 7, "negatives": 0}
    what = {"garbage": "is no image; expected one", "status": "cannot be given by CVAT (500); expected its image"}[kind]
    assert source["notes"] == [
        f"left out: frame 3 of task 12 {what}. Look at it in CVAT; delete the frame there if it is broken."
    ]
    assert "cam3" not in (tmp_path / "pulled" / "annotations.xml").read_text()
    assert not list((tmp_path / "pulled").rglob("*.partial"))
    assert len(list((tmp_path / "pulled" / "images").rglob("*.png"))) == 7


def test_a_frame_that_was_mended_comes_with_the_next_pull(cvat, pull, tmp_path):
    cvat.fail("/api/tasks/12/data/?number=3", "garbage", times=1)
    pull(expected=0)

    pull(expected=0)

    assert json.loads((tmp_path / "pulled" / "source.json").read_text())["training"]["annotated"] == 8


@pytest.mark.parametrize("prefix", ["/api/tasks/12/data/?", "/api/tasks/12/data/?number=1"])
def test_a_server_that_fails_on_all_images_is_not_taken_for_broken_images(cvat, pull, tmp_path, monkeypatch, prefix):
    if prefix.endswith("1"):  # all that are asked for
        cvat.tasks[12].jobs[0].shapes = [one for one in cvat.tasks[12].jobs[0].shapes if one["frame"] == 1]
    cvat.fail(prefix, "status", status=500)

    assert re.fullmatch(
        rf"error: {cvat.url}: 500 for frame \d of task 12, CVAT failed; expected a response\. "
        rf"Look for the cause with `docker logs --tail 100 cvat_server`\. {RESUME}\n",
        pull(),
    )
    assert no_annotations(tmp_path / "pulled")


def test_a_fault_leaves_the_pull_before_as_it_was(cvat, pull, tmp_path):
    pull(expected=0)
    before = {path: path.read_bytes() for path in (tmp_path / "pulled").iterdir() if path.is_file()}
    job = cvat.tasks[12].jobs[0]
    job.shapes, job.updated = job.shapes[:4], "2026-11-03T10:00:00Z"
    cvat.tasks[12].images.append(("late.png", picture(9)))
    job.stop = 8
    job.shapes.append(rectangle(8, 7, [1, 2, 3, 4]))
    cvat.fail("/api/tasks/12/data/?number=8", "status")

    pull()

    assert {path: path.read_bytes() for path in (tmp_path / "pulled").iterdir() if path.is_file()} == before
    assert len(list((tmp_path / "pulled" / "images").rglob("*.png"))) == 8


@pytest.fixture
def secure(certificate, monkeypatch):
    """The newer server behind TLS."""
    key, pem = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", "a-token-of-ann")
    with StandIn().running(context) as server:
        server.add(dock())
        yield server


def test_a_certificate_that_nobody_signed(secure, tmp_path, capsys):
    main(["pull", "--cvat", secure.url, "--task", "12", "--output", str(tmp_path / "pulled")])

    assert capsys.readouterr().err == (
        f"error: {secure.url}: its certificate is not trusted (self-signed certificate); expected a certificate that "
        f"this machine trusts. Set SSL_CERT_FILE to the authority's, "
        f"or pass --insecure if the network is yours alone.\n"
    )
    assert secure.requests == []


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_insecure_accepts_it(secure, tmp_path):
    assert main(["pull", "--cvat", secure.url, "--task", "12", "--output", str(tmp_path / "p"), "--insecure"]) == 0


def test_a_certificate_that_this_machine_was_told_about(secure, tmp_path, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))

    assert main(["pull", "--cvat", secure.url, "--task", "12", "--output", str(tmp_path / "pulled")]) == 0
