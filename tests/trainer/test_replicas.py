"""What several replicas and other numbers change: nothing that is more than rounding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found():
    script = Path(__file__).with_name("replicas.py")
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1])}  # for `support`
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def assert_close(losses, others, *, rel):
    for one, other in zip(losses, others, strict=True):
        assert one == pytest.approx(other, rel=rel)


def test_two_replicas_learn_what_one_does(found):
    """Counts that differ, gradients that are clipped, statistics of batches: what a replica sees only a part of."""
    assert_close(found["two"], found["one"], rel=1e-5)
    assert found["difference"] < 1e-5


def test_a_compiled_step_learns_the_same(found):
    assert_close(found["compiled"], found["one"], rel=1e-4)


def test_half_precision_learns_nearly_the_same(found):
    assert_close(found["float16"], found["one"], rel=1e-2)
    assert_close(found["float16 on two"], found["float16"], rel=1e-3)
    assert_close(found["bfloat16"], found["one"], rel=1e-2)


def test_an_overflow_is_left_out_and_halves_the_factor(found):
    assert found["overflow"] == {"changed": False, "scale": 2.0**14}


def test_deterministic_runs_give_the_same_bits(found):
    first, second = found["deterministic"]

    assert first == second


def test_more_clones_than_devices_are_refused(found):
    assert found["too many"] == (
        "arguments: num_clones=3; this machine has no GPU that TensorFlow sees; expected as many GPUs. "
        "Leave num_clones out to train on the CPU; with a GPU, install preannotate[train-gpu] and a driver."
    )


def test_compiling_what_several_exchange_is_refused(found):
    assert found["compiled on two"] == (
        "arguments: jit=true for 2 replicas; expected one: XLA cannot compile what replicas exchange. Leave jit out."
    )
