"""`--cvat` and `--profile`: through the real cvat-sdk, against the stand-in of CVAT."""

import getpass
import sys

import pytest

pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")

from cvat_sdk.core.auth import AuthStore, ProfileEntry
from support.cvat_stand_in import (
    NEW,
    OLD,
    PASSWORD,
    TOKEN,
    USER,
    FakeJob,
    FakeLabel,
    FakeTask,
    Response,
    StandIn,
    picture,
)

from preannotate.cvat.login import Login
from preannotate.diagnostics import cvat as checks
from preannotate.diagnostics.finding import error, note, ok, warning

LABELS = [{"name": "cat", "type": "rectangle", "attributes": []}, {"name": "dog", "type": "rectangle"}]
MODEL = {"id": "cats", "kind": "detector", "labels_v2": LABELS, "description": "x", "name": "Cats", "version": 1}
PLUGINS, LIST, CALL = "/api/server/plugins", "/api/lambda/functions", "/api/lambda/functions/cats"
BOX = {"label_id": 7, "points": [1, 2, 3, 4]}


@pytest.fixture(autouse=True)
def nothing_of_this_machine(no_logins):
    """See there."""


@pytest.fixture
def cvat(monkeypatch):
    """The newer server with a task of four frames; `said` is (status, JSON or text) of each page of functions."""
    with StandIn(NEW).running() as server:
        monkeypatch.setenv("CVAT_ACCESS_TOKEN", TOKEN)
        yield with_functions(server)


def with_functions(server):
    server.said = {PLUGINS: (200, {"MODELS": True}), LIST: (200, [MODEL]), CALL: (200, {"shapes": []})}
    server.called = []

    def page(request):
        if request.path not in server.said:
            return None
        if request.method == "POST":
            server.called.append(request.body)
        status, content = server.said[request.path]
        return Response(status, content.encode() if isinstance(content, str) else content)

    server.pages.append(page)
    labels = [FakeLabel(7, "cat", "rectangle"), FakeLabel(8, "dog", "any")]
    server.add(FakeTask(12, [(f"{i}.png", picture(i)) for i in range(4)], labels, [FakeJob(40, 0, 3)]))
    return server


def check(cvat, functions=(), **options):
    return list(checks.check(Login(cvat.url), functions, **options))


def test_without_cvat_sdk(monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("cvat_sdk", "preannotate.cvat"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cvat_sdk", None)

    assert list(checks.check(Login("http://localhost"), [])) == [
        error("CVAT", "cvat-sdk is not installed, so CVAT cannot be checked.", "Run: pip install 'preannotate[cvat]'")
    ]


def test_without_a_login(cvat, monkeypatch):
    monkeypatch.delenv("CVAT_ACCESS_TOKEN")

    assert check(cvat) == [
        error(
            "login",
            "no access token, and no terminal to ask for a password; expected a login.",
            "Set CVAT_ACCESS_TOKEN, or PASS with --auth USER.",
        )
    ]


def test_a_login_that_is_rejected(cvat):
    cvat.tokens.clear()

    assert check(cvat)[1:] == [
        error(
            cvat.url,
            "401 for its plugins, the login is rejected; expected a valid login.",
            "Check the password, or make a new access token in CVAT (Profile, Security) and set CVAT_ACCESS_TOKEN.",
        )
    ]


def test_whoever_logs_in_by_profile_can_diagnose(cvat, monkeypatch):
    monkeypatch.delenv("CVAT_ACCESS_TOKEN")
    AuthStore().put_profile("work", ProfileEntry(cvat.url, TOKEN, "2026-11-02T10:00:00Z"))

    assert list(checks.check(Login(profile="work"), [])) == [ok(cvat.url, "CVAT 2.80.0"), ok("models", "1: cats")]
    assert cvat.headers[-1]["Authorization"] == f"Bearer {TOKEN}"


def test_something_else_than_cvat(site):
    assert list(checks.check(Login(site.url, token=TOKEN), [])) == [
        error(site.url, "a server that is not CVAT; expected CVAT's version.", "Use CVAT's own URL.")
    ]


def test_nothing_is_sent_twice_or_waited_for_long(cvat, monkeypatch):
    cvat.said[LIST] = (503, "busy")

    assert check(cvat)[-1].severity == "error"
    assert len(cvat.asked(f"GET {LIST}")) == 1


def test_notes_about_the_server_are_findings(cvat):
    cvat.version = "2.9.1"

    assert check(cvat)[1] == note(cvat.url, "CVAT 2.9.1 is older than 2.15, the oldest tested version.")


def test_the_function_is_listed(cvat, functions):
    cvat.said[LIST] = (200, [MODEL, {"id": "sam", "kind": "interactor", "labels_v2": []}])

    assert check(cvat, functions) == [
        ok(cvat.url, "CVAT 2.80.0"),
        ok("models", "2: cats, sam"),
        ok("cats", "listed, with its 2 labels"),
    ]


def test_other_labels_than_in_the_directory(cvat, functions, directory):
    model = {**MODEL, "labels_v2": [*LABELS[:1], {"name": "cow", "type": "rectangle"}]}
    cvat.said[LIST] = (200, [model])

    assert check(cvat, functions)[-1] == warning(
        "cats",
        "CVAT has other labels than the directory: 'cow' only there, 'dog' only in the directory.",
        f"Deploy {directory.parent} again.",
    )


def test_the_function_is_not_listed(cvat, functions, directory):
    cvat.said[LIST] = (200, [{"id": "sam"}])

    assert check(cvat, functions)[-1] == error(
        "cats and cats-gpu",
        f"are not among the 1 model of {cvat.url}.",
        f"Deploy it with ./deploy.sh cpu {directory.parent}, or run `preannotate serve` where CVAT_NUCLIO_HOST points.",
    )


def test_an_empty_list(cvat):
    cvat.said[LIST] = (200, [])
    found = check(cvat)[-1]

    assert (found.severity, found.finding) == ("warning", "CVAT lists none: nuclio has no function in project cvat.")


def test_no_serverless_part(cvat):
    cvat.said[PLUGINS] = (200, {"MODELS": False})

    assert check(cvat)[1].finding == "CVAT was started without its serverless part: it has no Models page."


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, {"detail": "Not allowed."}, "this user may not list models (Not allowed.)"),
        (
            500,
            "<html>Server Error (500)</html>",
            "a function has metadata that CVAT cannot read, which empties the list for everybody",
        ),
        (
            503,
            "\"HTTPConnectionPool(host='nuclio', port=8070): Max retries exceeded\"",
            "CVAT cannot reach nuclio (HTTPConnectionPool(host='nuclio', port=8070): Max retries exceeded)",
        ),
    ],
)
def test_a_list_that_fails(cvat, status, body, words):
    cvat.said[LIST] = (status, body)
    found = check(cvat)[-1]

    assert (found.severity, found.where) == ("error", cvat.url)
    assert found.finding == f"{status} for the list of functions, {words}; expected a response."
    assert found.remedy not in ("", "Check the URL and the login.")
    assert TOKEN not in str(found)


def test_a_list_that_fails_with_an_odd_status(cvat):
    cvat.said[LIST] = (418, "tea")

    assert check(cvat)[-1] == error(
        cvat.url, "418 for the functions (tea); expected a response.", "Check that the URL is CVAT's own."
    )


@pytest.mark.parametrize(
    ("version", "said"),
    [(NEW, {"version": 0, "tags": [], "shapes": [BOX]}), (OLD, [{"label": "cat", "points": [1, 2, 3, 4]}])],
)
def test_a_call_of_older_and_of_newer_servers(version, said, functions, monkeypatch):
    with StandIn(version).running() as server:
        with_functions(server).said[CALL] = (200, said)
        monkeypatch.setenv("PASS", PASSWORD)
        monkeypatch.setattr(getpass, "getuser", lambda: USER)
        if server.new:
            monkeypatch.setenv("CVAT_ACCESS_TOKEN", TOKEN)

        found = check(server, functions, task=12, frame=3)

    assert found[-1] == ok("call of cats on frame 3 of task 12", "1 shape")
    mapped = b'"mapping": {"cat": {"name": "cat", "attributes": {}}, "dog": {"name": "dog", "attributes": {}}}'
    assert server.called == [b'{"task": 12, "frame": 3, ' + mapped + b"}"]


@pytest.mark.parametrize(
    ("status", "body", "words", "remedy"),
    [
        (
            500,
            '"500 Server Error: Internal Server Error for url: http://host.docker.internal:32770/"',
            "the function failed (500 Server Error: Internal Server Error for url: http://host.docker.internal:32770/)",
            "Find the cause with `docker logs --tail 100 nuclio-nuclio-cats` or `preannotate doctor functions/cats`.",
        ),
        (
            408,
            "",
            "the function took longer than its eventTimeout; nuclio ended its worker, which loads the model again",
            "Give it more CPU time, or raise eventTimeout in function.yaml (at most 55s).",
        ),
    ],
)
def test_a_call_that_fails(cvat, functions, status, body, words, remedy):
    cvat.said[CALL] = (status, body)

    assert check(cvat, functions, task=12, frame=3)[3:] == [
        error(cvat.url, f"{status} for a call of cats on frame 3 of task 12, {words}; expected a response.", remedy)
    ]


def test_an_answer_that_holds_no_shapes(cvat, functions):
    cvat.said[CALL] = (200, {"error": "x"})

    assert check(cvat, functions, task=12)[-1].finding.startswith(
        "a call of cats on frame 0 of task 12 has an unknown form (KeyError('shapes'))"
    )


def test_labels_that_the_task_does_not_have(cvat, functions):
    cvat.tasks[12].labels[1].type = "polygon"

    assert check(cvat, functions, task=12)[3] == warning(
        "labels of task 12",
        "some labels of cats match by name and type; CVAT silently drops shapes of 'dog'.",
        "Choose the task's labels beside the model's in the dialog of Automatic annotation, or rename them in "
        "function.yaml and deploy again.",
    )


def test_no_label_that_the_task_has(cvat, functions):
    cvat.tasks[12].labels = [FakeLabel(7, "Cat", "rectangle")]
    found = check(cvat, functions, task=12)[3]

    assert (found.severity, found.finding) == (
        "error",
        "none of the labels of cats match by name and type; CVAT silently drops shapes of 'cat', 'dog'.",
    )


def test_nobody_is_there(monkeypatch):
    (found,) = checks.check(Login("http://127.0.0.1:9", token=TOKEN), [])

    assert found == error(
        "http://127.0.0.1:9",
        "no connection (connection refused); expected CVAT to listen there.",
        "Check host and port, and with `docker ps` whether it runs.",
    )
