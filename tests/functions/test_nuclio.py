"""The function in nuclio's hands: nuclio_sdk always, and nuclio's own wrapper where NUCLIO_WRAPPER names its file."""

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("psutil")
pytest.importorskip("nuclio_sdk")

from tests.functions.hostile_requests import OTHER, PLAIN, PNG, REFUSED, SAME
from tests.functions.worker import Worker, answer_of, request


@pytest.fixture(scope="module")
def wrapped(squares_built, tmp_path_factory):
    path = Path(os.environ.get("NUCLIO_WRAPPER", "none"))
    if not path.is_file():
        pytest.skip("NUCLIO_WRAPPER names no _nuclio_wrapper.py")
    pytest.importorskip("msgpack")
    from tests.functions.nuclio_peer import NuclioWrapper

    wrapper = NuclioWrapper(path.resolve(), squares_built.directory, tmp_path_factory.mktemp("nuclio"))
    yield wrapper
    wrapper.close()
    assert not [log for log in wrapper.logs if log[0] == "error"]


@pytest.fixture(params=["nuclio_sdk", "wrapper"])
def function(request):
    """Something with `ask(body, head)`."""
    return request.getfixturevalue({"nuclio_sdk": "worker", "wrapper": "wrapped"}[request.param])


def batch(*bodies, **more):
    """Body and head of a list of events."""
    heads = [{"id": f"event {number}", "size": len(body), **more} for number, body in enumerate(bodies)]
    return b"".join(bodies), heads


def test_a_list_of_results_is_one_reply(function):
    """nuclio takes a list that the handler returns for replies to several events, and sends the first alone."""
    reply = function.ask(PLAIN)
    assert isinstance(reply, dict)
    assert len(json.loads(reply["body"])) > 1


def test_no_result_is_a_reply_too(function):
    """An empty list that the handler returns costs nuclio a worker."""
    reply = function.ask(request(PNG, threshold=1))
    assert (reply["status_code"], reply["content_type"], reply["body"]) == (200, "application/json", "[]")


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain", "", "a/b;c"])
def test_the_content_type_changes_nothing(kind, function):
    assert answer_of(function.ask(PLAIN, {"content_type": kind})) == answer_of(function.ask(PLAIN))


def test_headers_and_fields_of_any_kind_change_nothing(function):
    head = {"headers": {"X-Größe": "ü\n", "N": 7}, "fields": {"threshold": "1"}, "path": "/../", "method": "DELETE"}
    assert answer_of(function.ask(PLAIN, head)) == answer_of(function.ask(PLAIN))


def test_a_batch_gets_one_reply_for_each_event(function):
    empty = request(PNG, threshold=1)
    replies = function.ask(*batch(PLAIN, b"no JSON", PLAIN, empty, request(b"no image")))
    assert [reply["event_id"] for reply in replies] == [f"event {number}" for number in range(5)]
    assert [answer_of(reply)[0] for reply in replies] == [200, 400, 200, 200, 400]
    plain = answer_of(function.ask(PLAIN))
    assert answer_of(replies[0]) == answer_of(replies[2]) == plain
    assert answer_of(replies[3]) == (200, [])
    assert answer_of(replies[1])[1]["error"].startswith("body: 7 bytes that are not JSON")
    assert answer_of(replies[4])[1]["error"].startswith("image: 8 bytes that no image decoder knows")


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_a_batch_of_one(kind, function):
    (reply,) = function.ask(*batch(PLAIN, content_type=kind))
    assert reply["event_id"] == "event 0"
    assert answer_of(reply) == answer_of(function.ask(PLAIN))


def test_a_batch_of_nothing_but_bad_requests(function):
    replies = function.ask(*batch(b"", b"[]", b"{}"))
    assert [answer_of(reply)[0] for reply in replies] == [400, 400, 400]


def test_images_of_one_batch_may_differ_in_size_and_threshold(function):
    odd = [OTHER[name].body() for name in ("1x65535", "one pixel", "16 bits, PNG", "no threshold")]
    replies = function.ask(*batch(*odd))
    assert [answer_of(reply) for reply in replies] == [answer_of(function.ask(body)) for body in odd]


def test_one_event_of_its_own_gets_no_event_id(function):
    assert "event_id" not in function.ask(PLAIN)


def test_the_core_of_the_corpus_under_the_wrapper(wrapped):
    plain = answer_of(wrapped.ask(PLAIN))
    for name, case in SAME.items():
        if "as" not in case.head:
            assert answer_of(wrapped.ask(case.body(), case.head)) == plain, name
    for name, case in REFUSED.items():
        if "as" not in case.head:
            status, body = answer_of(wrapped.ask(case.body(), case.head))
            assert (status, case.words in body["error"]) == (400, True), name
    assert answer_of(wrapped.ask(PLAIN)) == plain


def test_a_body_of_30_megabytes_under_the_wrapper(wrapped):
    image = PNG + b"\0" * 22_000_000
    assert answer_of(wrapped.ask(request(image, threshold=0.5))) == answer_of(wrapped.ask(PLAIN))


def test_the_wrapper_finds_init_context_where_the_handler_is(wrapped):
    """It looks in the module in which the handler was defined, whatever `function.yaml` names."""
    assert ("info", "Init context...100%") in wrapped.logs


def test_handler_and_init_context_are_defined_in_the_module_that_function_yaml_names(squares_built):
    import ast

    import yaml

    function = yaml.safe_load((squares_built.directory / "function.yaml").read_text("utf-8"))
    module, name = function["spec"]["handler"].split(":")
    tree = ast.parse((squares_built.directory / f"{module}.py").read_text("utf-8"))
    assert {name, "init_context"} <= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_a_request_for_another_function_is_refused_and_says_so(squares_built, tmp_path):
    function = Worker(squares_built.directory, tmp_path / "log.txt", MODEL_THREADS="1", NUCLIO_FUNCTION_NAME="squares")
    other = function.ask(PLAIN, {"headers": {"X-Nuclio-Target": "boards"}})
    own = function.ask(PLAIN, {"headers": {"X-Nuclio-Target": "squares"}})
    function.close()
    assert answer_of(other)[0] == 421
    assert answer_of(other)[1]["error"].startswith("X-Nuclio-Target: 'boards', and this is 'squares': ")
    assert answer_of(own)[0] == 200
