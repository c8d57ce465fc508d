"""What a function does when it is asked once; the engine is a fake of five lines, everything else is real."""

import re

import pytest

from preannotate.diagnostics import trial
from preannotate.diagnostics.finding import error, warning
from preannotate.diagnostics.functions import read_variants


@pytest.fixture
def tried(runnable):
    """Tries the CPU variant after a change to the text of one of its files."""

    def run(file=None, change=None):
        if file is not None:
            path = runnable / file
            path.write_text(change(path.read_text()) if callable(change) else change)
        functions, _ = read_variants(runnable.parent, runnable)
        return list(trial.request(functions[0]))

    pytest.importorskip("nuclio_sdk")
    return run


def test_an_answer_and_what_it_cost(tried):
    (found,) = tried()

    assert found.severity == "ok"
    assert found.where == "run cats (openvino)"
    pattern = r"no device: loaded in \d+\.\d s, an image of 640x480 answered in \d+ ms \(\d objects?\), \d+ MiB"
    assert re.fullmatch(pattern, found.finding)


def test_memory_for_all_workers(tried, monkeypatch):
    monkeypatch.setattr(trial, "free_memory", lambda: 1024**2)
    _, found = tried()

    assert found.severity == "warning"
    assert re.fullmatch(r"2 workers need \d+ MiB, 1 MiB are free\.", found.finding)


def test_a_slow_answer(tried, monkeypatch):
    monkeypatch.setattr(trial, "_SLOW_SECONDS", 0.0)
    (found,) = tried()

    assert found.severity == "warning"
    assert found.finding.endswith("MiB: slow.")


def test_a_gpu_variant_without_a_gpu(tried, runnable):
    engine = runnable / "runtime" / "engines" / "fake.py"
    engine.write_text(engine.read_text().replace("no device", "CPU, TensorFlow 2.21.0"))
    (found,) = trial.request(read_variants(runnable.parent, runnable)[0][1])

    assert found.severity == "warning"
    assert found.finding.endswith(" MiB: no GPU was used.")
    assert found.remedy == "See above for the GPU; without one deploy the CPU variant."


def test_an_answer_that_cvat_cannot_store(tried):
    (found,) = tried("runtime/cvat.py", lambda text: text.replace('"type": RECTANGLE', '"type": "bbox"'))

    assert found == error(
        "run cats (openvino)",
        "an answer that CVAT cannot store: type 'bbox' is not 'rectangle'.",
        "Undo what was changed in main.py or model_handler.py, or build the function again.",
    )


@pytest.mark.parametrize("kind", ["any", "ellipse"])
def test_a_label_of_another_type_is_answered_as_the_network_can(tried, kind):
    (found,) = tried("function.yaml", lambda text: text.replace('"type": "rectangle"', f'"type": "{kind}"'))

    assert found.severity == "ok"


def test_an_engine_that_is_not_installed(tried):
    (found,) = tried("runtime/engines/fake.py", "raise ModuleNotFoundError(\"No module named 'openvino'\")")

    assert found == error(
        "run cats (openvino)",
        "fake: No module named 'openvino'; expected the engine to be installed.",
        "pip install 'preannotate[build]'",
    )


def test_a_function_that_says_itself_what_is_wrong(tried):
    (found,) = tried("model.json", "{}")

    assert found.finding.endswith("model.json: format None; expected 1.")
    assert found.remedy == "Build the function again with this version of Preannotate."


def test_no_sdk_of_nuclio(tried):
    (found,) = tried("main.py", "raise ModuleNotFoundError(\"No module named 'nuclio_sdk'\")")

    assert found == error(
        "run cats (openvino)",
        "exit code 1 (ModuleNotFoundError: No module named 'nuclio_sdk').",
        "pip install 'preannotate[build]'",
    )


@pytest.mark.parametrize(
    ("signal", "finding", "remedy"),
    [
        (
            "SIGILL",
            "ended by SIGILL.",
            "The processor lacks an instruction: hand the host's through (CPU type `host`).",
        ),
        (
            "SIGKILL",
            "ended by the system (SIGKILL), most likely for lack of memory.",
            "Free memory, or raise the container's limit.",
        ),
        ("SIGSEGV", "ended by SIGSEGV.", "Build the function again."),
    ],
)
def test_an_engine_that_crashes(tried, signal, finding, remedy):
    (found,) = tried("runtime/engines/fake.py", f"import os, signal; os.kill(os.getpid(), signal.{signal})")

    assert found == error("run cats (openvino)", finding, remedy)


def test_an_engine_that_hangs(tried, monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", 0.5)
    (found,) = tried("main.py", "import time; time.sleep(60)")

    assert found == warning(
        "run cats (openvino)",
        "no answer within 0.5 s.",
        "Try again; if it stays slow, look for what else uses this processor: top",
    )


def test_it_changes_nothing(tried, runnable):
    before = sorted(path.relative_to(runnable) for path in runnable.rglob("*"))
    tried()

    assert sorted(path.relative_to(runnable) for path in runnable.rglob("*")) == before
