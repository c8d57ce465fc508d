"""Where a training can run."""

import re

import pytest

from preannotate.core.child_process import Result
from preannotate.studio import machines as module
from preannotate.studio.machines import Card, Machine, machines, parse_gpus


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(module, "_cache", {})
    monkeypatch.delenv("PREANNOTATE_KUBERNETES", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(module, "installed", lambda name: "2.21" if name == "tensorflow" else None)


@pytest.fixture
def driver(monkeypatch):
    """Lists what a test says; counts how often it was asked."""
    asked = []

    def say(text, problem=""):
        monkeypatch.setattr(module.shutil, "which", lambda name: f"/usr/bin/{name}")
        result = Result(1 if problem else 0, text, problem)
        monkeypatch.setattr(module, "run_tool", lambda *command, **_: asked.append(command) or result)
        return asked

    return say


def test_the_processor_is_always_there(monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    (only,) = machines()

    assert (only.id, only.problem) == ("cpu", None)
    assert re.fullmatch(r"This machine's processor: \d+ cores?(, [\d.]+ GiB of memory free)?", only.name)


def test_gpus_with_the_most_free_memory_first(driver):
    asked = driver("0, NVIDIA T4, 15360, 15000\n1, NVIDIA T4, 15360, 512\n")
    found = machines()

    assert [(one.id, one.name) for one in found[:2]] == [
        ("gpu:1", "GPU 1: NVIDIA T4, 16 GB, 16 GB free"),
        ("gpu:0", "GPU 0: NVIDIA T4, 16 GB, 0 GB free"),
    ]
    machines()
    assert len(asked) == 1


def test_a_driver_that_does_not_answer(driver):
    driver("", "no answer within 10 s")

    assert [one.id for one in machines()] == ["cpu"]


def test_only_gpus_that_this_process_may_use():
    listing = "0, A, 1000, 0\n1, B, 1000, 0\ngarbage\n2, C, [N/A], 0\n"

    assert [card.index for card in parse_gpus(listing, None)] == [0, 1]
    assert parse_gpus(listing, "1") == (Card(1, "B", 1.048576, 0.0),)
    assert parse_gpus(listing, "") == ()


def test_a_tensorflow_without_cuda(driver, monkeypatch):
    driver("0, NVIDIA T4, 15360, 0\n")
    monkeypatch.setattr(module, "installed", lambda name: "2.21" if name == "tensorflow-cpu" else None)
    gpu, _ = machines()

    assert gpu.problem == (
        "TensorFlow is installed without CUDA; expected it with. "
        "pip uninstall --yes tensorflow-cpu && pip install 'preannotate[train-gpu]'"
    )


def cluster(studio):
    return f"context=home,namespace=ml,image=i,claim=data,mount={studio.workspace.path.parent}"


def test_kubernetes_is_listed_where_configured(studio, driver, monkeypatch):
    asked = driver("persistentvolumeclaim/data\n")
    assert [one.id for one in machines(studio.settings)] == ["cpu"]
    monkeypatch.setenv("PREANNOTATE_KUBERNETES", cluster(studio))
    place = machines(studio.settings)[-1]

    assert place == Machine("kubernetes", "Kubernetes: home, ml")
    words = ("kubectl", "--context", "home", "--namespace", "ml", "get", "pvc", "data", "--output", "name")
    machines(studio.settings)
    assert asked.count(words) == 1


def test_a_cluster_that_does_not_answer(studio, driver, monkeypatch):
    driver("", "Unable to connect to the server.")
    monkeypatch.setenv("PREANNOTATE_KUBERNETES", cluster(studio))
    place = machines(studio.settings)[-1]

    assert place.problem == "kubectl: Unable to connect to the server; expected the claim 'data'."


def test_a_workspace_that_the_cluster_does_not_see(studio, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_KUBERNETES", "image=i,claim=data,mount=/srv/data")
    place = machines(studio.settings)[-1]

    assert place.problem == (
        f"{studio.workspace.path}: not on the cluster's volume; expected a workspace below /srv/data. "
        f"Start the studio with one there."
    )


def test_a_cluster_that_is_configured_wrongly(studio, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_KUBERNETES", "image=i")

    assert machines(studio.settings)[-1].problem.startswith("--kubernetes: no claim; expected claim=NAME")
