"""`--cvat`: against a server that gives the answers that CVAT is documented to give."""

import pytest

from preannotate.diagnostics import cvat
from preannotate.diagnostics.finding import error, note, ok, warning

ABOUT = {"/api/server/about": (200, {"name": "Computer Vision Annotation Tool", "version": "2.31.0"})}
LABELS = [{"name": "cat", "type": "rectangle", "attributes": []}, {"name": "dog", "type": "rectangle"}]
MODEL = {"id": "cats", "kind": "detector", "labels_v2": LABELS, "description": "x", "name": "Cats", "version": 1}
LIST = "/api/lambda/functions"
CALL = "/api/lambda/functions/cats"


@pytest.fixture
def token(monkeypatch):
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", "very-secret")


def answers(site, **more):
    site.answers = {**ABOUT, **{path.replace("__", "/"): answer for path, answer in more.items()}}


def ask(site, functions=(), **options):
    return list(cvat.check(site.url, functions, **options))


def test_without_a_login(site):
    site.answers = ABOUT

    assert ask(site) == [
        ok(site.url, "CVAT 2.31.0"),
        note(
            site.url,
            "without a login its list of models cannot be asked for.",
            "export CVAT_ACCESS_TOKEN=…   (in CVAT: your profile, Security); older servers: CVAT_USERNAME and "
            "CVAT_PASSWORD",
        ),
    ]


def test_something_else_than_cvat(site):
    assert ask(site) == [
        error(site.url, "answers 404 to /api/server/about: this is not CVAT.", "Give CVAT's own address.")
    ]


def test_logins(monkeypatch):
    assert cvat.login() is None

    monkeypatch.setenv("CVAT_USERNAME", "ada")
    monkeypatch.setenv("CVAT_PASSWORD", "pw")
    assert cvat.login() == {"Authorization": "Basic YWRhOnB3"}

    monkeypatch.setenv("CVAT_ACCESS_TOKEN", "t")
    assert cvat.login() == {"Authorization": "Bearer t"}


def test_the_function_is_listed(site, functions, token):
    site.answers = {**ABOUT, LIST: (200, [MODEL, {"id": "sam", "kind": "interactor", "labels_v2": []}])}

    assert ask(site, functions) == [
        ok(site.url, "CVAT 2.31.0"),
        ok("models", "2: cats, sam"),
        ok("cats", "listed, with its 2 labels"),
    ]
    logins = [headers.get("authorization") for _, path, headers, _ in site.requests]
    assert logins == [None, "Bearer very-secret", "Bearer very-secret"]


def test_other_labels_than_in_the_directory(site, functions, token, directory):
    model = {**MODEL, "labels_v2": [*LABELS[:1], {"name": "cow", "type": "rectangle"}]}
    site.answers = {**ABOUT, LIST: (200, [model])}

    assert ask(site, functions)[-1] == warning(
        "cats",
        "CVAT knows other labels than the directory has: 'cow' only there, 'dog' only in the directory.",
        f"Deploy {directory.parent} again.",
    )


def test_the_function_is_not_listed(site, functions, token, directory):
    site.answers = {**ABOUT, LIST: (200, [{"id": "sam"}])}

    assert ask(site, functions)[-1] == error(
        "cats and cats-gpu",
        f"are not among the 1 models of {site.url}.",
        f"./deploy.sh cpu {directory.parent}, or `preannotate serve` where CVAT_NUCLIO_HOST points.",
    )


def test_an_empty_list(site, token):
    site.answers = {**ABOUT, LIST: (200, [])}
    found = ask(site)[-1]

    assert (found.severity, found.finding) == (
        "warning",
        "CVAT lists none: nuclio has no function in project cvat.",
    )


def test_no_serverless_part(site, token):
    site.answers = {**ABOUT, LIST: (200, [MODEL]), "/api/server/plugins": (200, {"MODELS": False})}

    assert ask(site)[1].finding == "CVAT was started without its serverless part: it has no Models page."


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"detail": "Invalid token."}, "401: the login is not accepted (Invalid token.)."),
        (403, {"detail": "Not allowed."}, "403: this user may not list models (Not allowed.)."),
        (404, "<h1>", "404: no such page, or (CVAT before 2.28) one function has a label or attribute twice."),
        (
            500,
            "<html>Server Error (500)</html>",
            "500: one function in the list has metadata that CVAT cannot read, and so nobody sees any.",
        ),
        (
            503,
            "\"HTTPConnectionPool(host='nuclio', port=8070): Max retries exceeded\"",
            "503: CVAT cannot reach nuclio (HTTPConnectionPool(host='nuclio', port=8070): Max retries exceeded).",
        ),
        (504, "", "504: nuclio does not answer CVAT in time."),
        (418, "tea", "418: that is no list of models (tea)."),
        (200, {"a": 1}, "200: that is no list of models."),
    ],
)
def test_what_the_list_says(site, token, status, body, words):
    site.answers = {**ABOUT, LIST: (status, body)}
    found = ask(site)[-1]

    assert (found.severity, found.where, found.finding) == ("error", "models", words)
    assert found.remedy
    assert "very-secret" not in str(found)


def called(site, functions, status, body, labels=LABELS):
    site.answers = {**ABOUT, LIST: (200, [MODEL]), CALL: (status, body), "/api/labels": (200, {"results": labels})}
    return ask(site, functions, task=7, frame=3)[3:]


@pytest.mark.parametrize("body", [[{"label": "cat"}], {"version": 0, "tags": [], "shapes": [{"label_id": 1}]}])
def test_a_call_of_older_and_of_newer_servers(site, functions, token, body):
    assert called(site, functions, 200, body) == [ok("call of cats on frame 3 of task 7", "1 shapes")]
    assert site.requests[-1][:2] == ("POST", CALL)
    assert site.requests[-1][3] == {"task": 7, "frame": 3}


@pytest.mark.parametrize(
    ("status", "body", "words", "remedy"),
    [
        (
            500,
            '"500 Server Error: Internal Server Error for url: http://host.docker.internal:32770/"',
            "500: the function failed (500 Server Error: Internal Server Error for url: "
            "http://host.docker.internal:32770/).",
            "docker logs --tail 100 nuclio-nuclio-cats says why; `preannotate doctor {path}` tries it.",
        ),
        (
            503,
            "",
            "503: CVAT does not reach the function, or all of its workers are busy.",
            "`preannotate doctor {path}` on nuclio's machine compares the ports; a fixed `port:` keeps them equal.",
        ),
        (
            408,
            "",
            "408: the function took longer than its eventTimeout; nuclio ended its worker, which loads the model "
            "again.",
            "Give it more processor time, or raise eventTimeout in function.yaml (stay below 55s).",
        ),
        (
            200,
            {"error": "x"},
            "200: that is no list of shapes (x).",
            "docker logs --tail 100 nuclio-nuclio-cats says why; `preannotate doctor {path}` tries it.",
        ),
    ],
)
def test_a_call_that_fails(site, functions, token, directory, status, body, words, remedy):
    assert called(site, functions, status, body) == [
        error("call of cats on frame 3 of task 7", words, remedy.format(path=directory.parent))
    ]


def test_labels_that_the_task_does_not_have(site, functions, token):
    task_labels = [{"name": "cat", "type": "any"}, {"name": "dog", "type": "polygon"}]
    found, _ = called(site, functions, 200, [], labels=task_labels)

    assert found == warning(
        "labels of task 7",
        "some labels of cats match by name and type; CVAT drops boxes of 'dog' without a word.",
        "Choose the task's labels beside the model's in the dialog of Automatic annotation, or rename them in "
        "function.yaml and deploy again.",
    )


def test_no_label_that_the_task_has(site, functions, token):
    found, _ = called(site, functions, 200, [], labels=[{"name": "Cat", "type": "rectangle"}])

    assert (found.severity, found.finding) == (
        "error",
        "none of the labels of cats match by name and type; CVAT drops boxes of 'cat', 'dog' without a word.",
    )


def test_nobody_is_there(token):
    (found,) = cvat.check("http://127.0.0.1:9", [])

    assert found == error(
        "http://127.0.0.1:9",
        "no response: connection refused.",
        "Check host and port; start CVAT (docker compose up -d).",
    )
