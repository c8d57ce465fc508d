"""A function refuses what is meant for another one."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from runtime.errors import MisdirectedError
from runtime.target import NAME, check_target, function_name


def test_another_function_s_request_is_refused_with_the_cause():
    with pytest.raises(MisdirectedError) as caught:
        check_target(SimpleNamespace(headers={"X-Nuclio-Target": "boards"}), "cats")
    assert str(caught.value) == (
        "X-Nuclio-Target: 'boards', and this is 'cats': nuclio calls the address of another container; expected a "
        "request for 'cats'. Deploy both functions again."
    )


@pytest.mark.parametrize("headers", [{"x-nuclio-target": "boards"}, {b"X-NUCLIO-TARGET": b"boards"}])
def test_in_any_spelling(headers):
    with pytest.raises(MisdirectedError):
        check_target(SimpleNamespace(headers=headers), "cats")


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (SimpleNamespace(headers={"X-Nuclio-Target": "cats"}), "cats"),
        (SimpleNamespace(headers={"X-Nuclio-Target": "cats, cats-new"}), "cats-new"),  # a gateway with two functions
        (SimpleNamespace(headers={"X-Nuclio-Target": ""}), "cats"),
        (SimpleNamespace(headers={"X-Nuclio-Path": "boards", "N": 7}), "cats"),
        (SimpleNamespace(headers=None), "cats"),
        (SimpleNamespace(), "cats"),
        (SimpleNamespace(headers={"X-Nuclio-Target": "boards"}), ""),  # outside of nuclio nobody knows the name
    ],
)
def test_everything_else_is_accepted(event, name):
    check_target(event, name)


def test_the_name_is_that_under_which_it_was_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(NAME, raising=False)
    config = tmp_path / "processor.yaml"
    assert function_name(config) == ""
    config.write_text("metadata: [")
    assert function_name(config) == ""
    config.write_text("metadata:\n  name: cats-gpu-1\n")
    assert function_name(config) == "cats-gpu-1"
    monkeypatch.setenv(NAME, "cats-2")
    assert function_name(config) == "cats-2"
