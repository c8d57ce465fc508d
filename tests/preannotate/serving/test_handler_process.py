"""The child process, asked through a real one: what handlers may return, raise, print and import."""

import asyncio
import tomllib
from pathlib import Path

import pytest

from preannotate.inference.worker import PROJECT_PACKAGES
from preannotate.inference.worker_process import worker_environment
from preannotate.serving.errors import StartError
from preannotate.serving.function_config import FunctionConfig
from preannotate.serving.handler_process import HandlerProcess, HandlerReply

pytestmark = pytest.mark.anyio
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


async def start(path: Path, **environment: str) -> HandlerProcess:
    return await HandlerProcess.start(FunctionConfig.read(path), 0, {**worker_environment(1), **environment})


async def ask_all(path: Path, *expressions: str) -> list[HandlerReply]:
    worker = await start(path)
    try:
        return [await worker.invoke(HEAD, f'{{"do": "{expression}"}}'.encode()) for expression in expressions]
    finally:
        await worker.stop()


def plain(reply: HandlerReply) -> tuple[int, str, bytes]:
    return reply.status, reply.content_type, reply.body


async def test_what_a_handler_returns_becomes_a_reply_by_nuclios_rules(write_function):
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
    replies = await ask_all(write_function(main=RETURNS), *rules)

    assert [plain(reply) for reply in replies] == list(rules.values())


async def test_bare_lists_and_generators_are_refused(write_function):
    advice = (
        "expected context.Response(body=json.dumps(result), content_type='application/json'). "
        "nuclio treats a bare list as a batch and a generator as a stream."
    )
    replies = await ask_all(write_function(main=RETURNS), "[]", "[1]", "stream()", "'fine'")

    assert [plain(reply) for reply in replies] == [
        (500, "text/plain", f"the handler returned a list; {advice}".encode()),
        (500, "text/plain", f"the handler returned a list; {advice}".encode()),
        (500, "text/plain", f"the handler returned a generator; {advice}".encode()),
        (200, "text/plain", b"fine"),
    ]


async def test_impossible_status_and_content_type_are_refused(write_function):
    replies = await ask_all(
        write_function(main=RETURNS),
        "context.Response(body='', status_code='200')",
        "(5, 'low')",
        "context.Response(body='', content_type='a\\\\nb')",
    )

    assert [reply.status for reply in replies] == [500, 500, 500]
    assert [reply.body.decode() for reply in replies] == [
        "the handler returned status '200'; expected a whole number from 200 to 599.",
        "the handler returned status 5; expected a whole number from 200 to 599.",
        "the handler returned content type 'a\\nb'; expected plain text.",
    ]


async def test_exceptions_are_500_without_a_traceback_and_the_worker_goes_on(write_function, caplog):
    caplog.set_level("INFO")
    replies = await ask_all(
        write_function(main=RETURNS),
        "fail(ValueError('two\\\\nlines'))",
        "sys.exit(3)",
        "fail(KeyboardInterrupt)",
        "'\\\\ud800'",
        "'fine'",
    )

    assert [reply.status for reply in replies] == [500, 500, 500, 500, 200]
    assert replies[0].body == b'Exception caught in handler - "ValueError: two"'
    assert replies[1].body == b'Exception caught in handler - "SystemExit: 3"'
    assert replies[2].body == b'Exception caught in handler - "KeyboardInterrupt"'
    assert "Traceback" in caplog.text
    assert 'in handler\n    return eval(event.body["do"])' in "\n".join(
        record.getMessage().removeprefix("echo/0| ") for record in caplog.records
    )


async def test_prints_go_to_the_log_and_not_among_the_frames(write_function, caplog):
    caplog.set_level("INFO")
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
    (reply,) = await ask_all(write_function(main=main), "")

    assert reply.body == b"nothing on stdin"
    lines = [record.getMessage() for record in caplog.records]
    for words in ("at import", "printed", "written", "of a child"):
        assert f"echo/0| {words}" in lines
    assert any(line.endswith("[info] logged: {'boxes': 3}") for line in lines)


async def test_log_holds_no_control_characters(write_function, caplog):
    caplog.set_level("INFO")
    await ask_all(write_function(main="def handler(c, e): print('a\\x1b[2J\\tb\\rc\\x9b')"), "")

    assert "echo/0| a\\x1b[2J\tb\\x0dc\\x9b" in [record.getMessage() for record in caplog.records]


async def test_init_context_is_that_of_the_handlers_module(write_function):
    path = write_function(main="from other import handler\ndef init_context(context): raise ValueError\n")
    (path / "other.py").write_text(
        "async def init_context(context): context.user_data.seen = 'other'\n"
        "def handler(context, event): return context.user_data.seen\n"
    )
    (reply,) = await ask_all(path, "")

    assert reply.body == b"other"


async def test_handler_in_a_package_is_found(write_function):
    path = write_function(change=lambda content: content["spec"].update(handler="package.inner:answer"))
    (path / "package").mkdir()
    (path / "package" / "inner.py").write_text("def answer(context, event): return 'inner'\n")
    (reply,) = await ask_all(path, "")

    assert reply.body == b"inner"


async def test_function_is_told_when_it_is_over(write_function, tmp_path):
    main = f"""
from pathlib import Path
def init_context(context):
    context.platform.set_termination_callback(lambda: Path({str(tmp_path / "over")!r}).touch())
def handler(context, event): return ""
"""
    await ask_all(write_function(main=main), "")

    assert (tmp_path / "over").exists()


async def test_body_of_megabytes_and_any_bytes_arrives(write_function):
    main = "def handler(context, event): return event.body[::-1]\n"
    body = bytes(range(256)) * 20_000
    worker = await start(write_function(main=main))
    reply = await worker.invoke({**HEAD, "content_type": "image/jpeg"}, body)
    await worker.stop()

    assert reply.body == body[::-1]


async def test_worker_whose_request_is_given_up_is_killed_so_that_no_answer_can_be_mixed_up(write_function):
    worker = await start(write_function(main="import time\ndef handler(context, event): time.sleep(60)\n"))
    asking = asyncio.create_task(worker.invoke(HEAD, b""))
    await asyncio.sleep(0.1)
    asking.cancel()

    assert await worker.wait() == "killed"


async def test_vendored_runtime_wins_over_the_projects(write_function, tmp_path):
    path = write_function(main="import runtime, sys\ndef handler(context, event): return runtime.WHOSE + sys.path[0]\n")
    (path / "runtime").mkdir()
    (path / "runtime" / "__init__.py").write_text("WHOSE = 'the own one in '\n")
    worker = await start(path, PYTHONPATH=str(PROJECT / "functions"))
    reply = await worker.invoke(HEAD, b"")
    await worker.stop()

    assert reply.body.decode() == f"the own one in {path}"


@pytest.mark.parametrize("package", PROJECT_PACKAGES)
async def test_packages_of_the_project_are_not_importable(write_function, package):
    path = write_function(main=f"import {package}\ndef handler(context, event): return ''\n")
    with pytest.raises(StartError) as caught:
        # As after a development install, where the project lies on every path.
        await start(path, PYTHONPATH=f"{PROJECT}:{PROJECT / 'functions'}")

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
async def test_a_function_that_does_not_start_says_why(write_function, main, cause):
    with pytest.raises(StartError) as caught:
        await start(write_function(main=main))

    assert str(caught.value) == cause


async def test_missing_main_is_a_sentence(write_function):
    path = write_function()
    (path / "main.py").unlink()
    with pytest.raises(StartError) as caught:
        await start(path)

    assert str(caught.value) == "echo/0: ModuleNotFoundError: No module named 'main'"


async def test_function_that_is_never_ready_is_given_up(write_function):
    def change(content):
        content["spec"]["readinessTimeoutSeconds"] = 1

    path = write_function(main="import time; time.sleep(60)", change=change)
    with pytest.raises(StartError) as caught:
        await start(path)

    assert str(caught.value) == (
        "echo/0: not ready after 1 s; expected init_context to return by then. "
        "Raise spec.readinessTimeoutSeconds if the model is large."
    )
