"""The child process, asked through a real one: what handlers may return, raise, print and import."""

import tomllib
from pathlib import Path

import pytest

from preannotate.inference.worker import PROJECT_PACKAGES
from preannotate.inference.worker_process import Message, WorkerError, WorkerProcess, worker_environment

PROJECT = Path(__file__).parents[3]
HEAD = {
    "id": "1", "timestamp": 5, "method": "POST", "path": "/", "url": "http://here/", "fields": {}, "headers": {},
    "content_type": "application/json", "shard_id": 0, "num_shards": 0, "type": "", "type_version": "",
    "version": "",
}  # fmt: skip

# The body names what the handler does.
RETURNS = """
import json, sys
import nuclio_sdk
class Own:
    def __repr__(self): return "own"
def handler(context, event):
    return eval(event.body["do"])
def fail(error): raise error
async def later(value): return value
def stream(): yield "a"
"""


@pytest.fixture
def write_function(tmp_path):
    """Writes functions/echo/nuclio/main.py and returns the directory."""

    def write(main: str) -> Path:
        directory = tmp_path / "functions" / "echo" / "nuclio"
        directory.mkdir(parents=True)
        (directory / "main.py").write_text(main, encoding="utf-8")
        return directory

    return write


def start(path: Path, handler: str = "main:handler", log: list[str] | None = None, **environment: str) -> WorkerProcess:
    worker = WorkerProcess(
        path,
        ["handler", handler, "0", "myHttpTrigger"],
        name="echo/0",
        environment={**worker_environment(1), **environment},
        on_log_line=(log if log is not None else []).append,
    )
    try:
        worker.wait_until_ready()
    except BaseException:
        worker.close()
        raise
    return worker


def ask_all(path: Path, *expressions: str, **options) -> list[Message]:
    worker = start(path, **options)
    try:
        return [worker.exchange(HEAD, f'{{"do": "{expression}"}}'.encode()) for expression in expressions]
    finally:
        assert worker.stop(10)


def plain(reply: Message) -> tuple[int, str, bytes]:
    head, body = reply
    return head["status"], head["content_type"], body


def test_what_a_handler_returns_becomes_a_reply_by_nuclios_rules(write_function):
    rules = {
        "'text'": (200, "text/plain", b"text"),
        "b'\\\\xff\\\\x00'": (200, "text/plain", b"\xff\x00"),
        "{'a': 1}": (200, "application/json", b'{"a": 1}'),
        "{'a': Own()}": (200, "application/json", b'{"a": "own"}'),
        "(404, 'none')": (404, "text/plain", b"none"),
        "(201, [1])": (201, "application/json", b"[1]"),
        "None": (200, "text/plain", b"None"),
        "(1, 2, 3)": (200, "text/plain", b"(1, 2, 3)"),
        "context.Response(body={'a': 1}, status_code=400)": (400, "application/json", b'{"a": 1}'),
        "context.Response(body=json.dumps([1]), content_type='application/json')": (
            200, "application/json", b"[1]",
        ),
        "context.Response(body=['a'])": (200, "text/plain", b"['a']"),
        "later('awaited')": (200, "text/plain", b"awaited"),
    }  # fmt: skip
    replies = ask_all(write_function(main=RETURNS), *rules)

    assert [plain(reply) for reply in replies] == list(rules.values())


def test_bare_lists_and_generators_are_refused(write_function):
    advice = (
        "expected context.Response(body=json.dumps(result), content_type='application/json'). "
        "nuclio treats a bare list as a batch and a generator as a stream."
    )
    replies = ask_all(write_function(main=RETURNS), "[]", "[1]", "stream()", "'fine'")

    assert [plain(reply) for reply in replies] == [
        (500, "text/plain", f"the handler returned a list; {advice}".encode()),
        (500, "text/plain", f"the handler returned a list; {advice}".encode()),
        (500, "text/plain", f"the handler returned a generator; {advice}".encode()),
        (200, "text/plain", b"fine"),
    ]


def test_impossible_status_and_content_type_are_refused(write_function):
    replies = ask_all(
        write_function(main=RETURNS),
        "context.Response(body='', status_code='200')",
        "(5, 'low')",
        "context.Response(body='', content_type='a\\\\nb')",
    )

    assert [reply[0]["status"] for reply in replies] == [500, 500, 500]
    assert [reply[1].decode() for reply in replies] == [
        "the handler returned status '200'; expected a whole number from 200 to 599.",
        "the handler returned status 5; expected a whole number from 200 to 599.",
        "the handler returned content type 'a\\nb'; expected plain text.",
    ]


def test_exceptions_are_500_without_a_traceback_and_the_worker_goes_on(write_function):
    log = []
    replies = ask_all(
        write_function(main=RETURNS),
        "fail(ValueError('two\\\\nlines'))",
        "sys.exit(3)",
        "fail(KeyboardInterrupt)",
        "'\\\\ud800'",
        "'fine'",
        log=log,
    )

    assert [reply[0]["status"] for reply in replies] == [500, 500, 500, 500, 200]
    assert replies[0][1] == b'Exception caught in handler - "ValueError: two"'
    assert replies[1][1] == b'Exception caught in handler - "SystemExit: 3"'
    assert replies[2][1] == b'Exception caught in handler - "KeyboardInterrupt"'
    assert any(line.startswith("Traceback") for line in log)
    assert 'in handler\n    return eval(event.body["do"])' in "\n".join(log)


def test_prints_go_to_the_log_and_not_among_the_frames(write_function):
    log = []
    main = """
import os, subprocess, sys
print("at import")
def handler(context, event):
    print("printed")
    os.write(1, b"written\\n")
    subprocess.run([sys.executable, "-c", "print('of a child')"])
    context.logger.info_with("logged", boxes=3)
    return sys.stdin.read() or "nothing on stdin"
"""
    (reply,) = ask_all(write_function(main=main), "", log=log)

    assert reply[1] == b"nothing on stdin"
    assert {"at import", "printed", "written", "of a child"} <= set(log)
    assert any(line.endswith("[info] logged: {'boxes': 3}") for line in log)


def test_log_holds_no_control_characters(write_function):
    log = []
    ask_all(write_function(main="def handler(c, e): print('a\\x1b[2J\\tb\\rc\\x9b')"), "", log=log)

    assert "a\\x1b[2J\\tb\\rc\\x9b" in log


def test_init_context_is_that_of_the_handlers_module(write_function):
    path = write_function(main="from other import handler\ndef init_context(context): raise ValueError\n")
    (path / "other.py").write_text(
        "async def init_context(context): context.user_data.seen = 'other'\n"
        "def handler(context, event): return context.user_data.seen\n"
    )
    (reply,) = ask_all(path, "")

    assert reply[1] == b"other"


def test_handler_in_a_package_is_found(write_function):
    path = write_function(main="")
    (path / "package").mkdir()
    (path / "package" / "inner.py").write_text("def answer(context, event): return 'inner'\n")
    (reply,) = ask_all(path, "", handler="package.inner:answer")

    assert reply[1] == b"inner"


def test_function_is_told_when_it_is_over(write_function, tmp_path):
    main = f"""
from pathlib import Path
def init_context(context):
    context.platform.set_termination_callback(lambda: Path({str(tmp_path / "over")!r}).touch())
def handler(context, event): return ""
"""
    ask_all(write_function(main=main), "")

    assert (tmp_path / "over").exists()


def test_json_of_millions_of_values_is_left_to_the_function(write_function):
    main = "def handler(context, event): return type(event.body).__name__\n"
    worker = start(write_function(main=main))
    bodies = [b"[" + b"1," * count + b"1]" for count in (1000, 300_000)] + [b'{"a": [' + b"{}," * 300_000 + b"1]}"]
    kinds = [worker.exchange(HEAD, body)[1] for body in bodies]
    worker.close()

    assert kinds == [b"list", b"bytes", b"bytes"]


def test_body_of_megabytes_and_any_bytes_arrives(write_function):
    main = "def handler(context, event): return event.body[::-1]\n"
    body = bytes(range(256)) * 20_000
    worker = start(write_function(main=main))
    reply = worker.exchange({**HEAD, "content_type": "image/jpeg"}, body)
    worker.close()

    assert reply[1] == body[::-1]


def test_vendored_runtime_wins_over_the_projects(write_function, tmp_path):
    path = write_function(main="import runtime, sys\ndef handler(context, event): return runtime.WHOSE + sys.path[0]\n")
    (path / "runtime").mkdir()
    (path / "runtime" / "__init__.py").write_text("WHOSE = 'the own one in '\n")
    worker = start(path, PYTHONPATH=str(PROJECT / "functions"))
    reply = worker.exchange(HEAD, b"")
    worker.close()

    assert reply[1].decode() == f"the own one in {path}"


@pytest.mark.parametrize("package", PROJECT_PACKAGES)
def test_packages_of_the_project_are_not_importable(write_function, package):
    path = write_function(main=f"import {package}\ndef handler(context, event): return ''\n")
    with pytest.raises(WorkerError) as caught:
        # As after a development install, where the project lies on every path.
        start(path, PYTHONPATH=f"{PROJECT}:{PROJECT / 'functions'}")

    assert str(caught.value) == f"echo/0: ModuleNotFoundError: No module named {package!r} in the function directory"


def test_all_packages_of_the_project_are_refused():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert {Path(package).name for package in packages} == set(PROJECT_PACKAGES)


@pytest.mark.parametrize(
    ("main", "cause"),
    [
        ("import nowhere", "echo/0: ModuleNotFoundError: No module named 'nowhere'"),
        ("handler = ", "echo/0: SyntaxError: invalid syntax (main.py, line 1)"),
        ("", "echo/0: AttributeError: module 'main' has no attribute 'handler'"),
        ("def init_context(context): raise ValueError('no\\nmodel')\ndef handler(c, e): pass",
         "echo/0: ValueError: no"),
        ("import sys; sys.exit('bye')", "echo/0: SystemExit: bye"),
        ("import os; print('so long'); os._exit(3)",
         "echo/0: the worker failed before it was ready (exit code 3; last line: so long)"),
        ("import os; os.kill(os.getpid(), 9)",
         "echo/0: the worker failed before it was ready (ended by the system (SIGKILL), most likely for lack of "
         "memory)"),
    ],
)  # fmt: skip
def test_a_function_that_does_not_start_says_why(write_function, main, cause):
    with pytest.raises(WorkerError) as caught:
        start(write_function(main=main))

    assert str(caught.value) == cause


def test_missing_main_is_a_sentence(write_function):
    path = write_function(main="")
    (path / "main.py").unlink()
    with pytest.raises(WorkerError) as caught:
        start(path)

    assert str(caught.value) == "echo/0: ModuleNotFoundError: No module named 'main'"
