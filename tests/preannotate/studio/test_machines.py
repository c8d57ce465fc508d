"""Where a training can run."""

import re

import pytest

from preannotate.doctor.tool import Output
from preannotate.studio import machines as module
from preannotate.studio.machines import Card, machines, parse
from preannotate.studio.settings import Kubernetes


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(module, "_remembered", [])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(module, "installed", lambda name: "2.21" if name == "tensorflow" else None)


@pytest.fixture
def driver(monkeypatch):
    """Lists what a test says; counts how often it was asked."""
    asked = []

    def say(text, problem=""):
        monkeypatch.setattr(module.shutil, "which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(module, "ask", lambda *command: asked.append(command) or Output(text, "", problem))
        return asked

    return say


def test_the_processor_is_always_there(monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    (only,) = machines()

    assert (only.id, only.available, only.why) == ("cpu", True, "")
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

    assert [card.index for card in parse(listing, None)] == [0, 1]
    assert parse(listing, "1") == (Card(1, "B", 1.048576, 0.0),)
    assert parse(listing, "") == ()


def test_a_tensorflow_without_cuda(driver, monkeypatch):
    driver("0, NVIDIA T4, 15360, 0\n")
    monkeypatch.setattr(module, "installed", lambda name: "2.21" if name == "tensorflow-cpu" else None)
    gpu, _ = machines()

    assert (gpu.available, gpu.why) == (
        False,
        "TensorFlow is installed without CUDA; expected it with. "
        "pip uninstall --yes tensorflow-cpu && pip install 'preannotate[train-gpu]'",
    )


def test_kubernetes_is_listed_where_configured_and_says_why_it_cannot_be_chosen(studio, monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    assert [one.id for one in machines(studio.settings)] == ["cpu"]
    studio.settings.set_kubernetes(Kubernetes("home", "training", "data", "/srv", "image"))
    place = machines(studio.settings)[-1]

    assert (place.id, place.name, place.available) == (
        "kubernetes", "Kubernetes: home, namespace training", False,
    )  # fmt: skip
    assert place.why == ("kubernetes: no kubectl on this machine; expected it. Install it and start the studio again.")
