"""Training on Kubernetes: the manifests of the real trainer, given to a kubectl that keeps them in a file."""

import json
import re
import sys
import threading
from pathlib import Path

import pytest
import support
import yaml

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from preannotate.core import child_process
from preannotate.core.child_process import ChildError
from preannotate.core.files import write_json
from preannotate.core.progress import ProgressWriter
from preannotate.pipeline import kubernetes
from preannotate.pipeline.build_version import VersionBuilder
from preannotate.pipeline.errors import PipelineError
from preannotate.pipeline.kubernetes import KubernetesCluster, train
from preannotate.pipeline.run_request import RunRequest
from preannotate.registry.workspace import Workspace
from trainer.errors import TrainingError

SCORES = {"map50": 0.9, "mean_ap": 0.6, "images": 2}


@pytest.fixture
def volume(tmp_path):
    """The folder that this machine and the pods share, with something to train on."""
    path = tmp_path / "volume"
    (path / "dataset").mkdir(parents=True)
    return path


@pytest.fixture
def pod(tmp_path, monkeypatch):
    """Puts the fake kubectl on PATH; `pod("done")` says what the pod does; `.calls` what was asked of kubectl."""
    state, tools = tmp_path / "state", tmp_path / "tools"
    state.mkdir()
    tools.mkdir()
    script = Path(support.__file__).with_name("fake_kubectl.py")
    (tools / "kubectl").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    (tools / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_CLUSTER", str(state))
    monkeypatch.setattr(kubernetes, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(child_process, "POLL_SECONDS", 0.02)

    def does(what):
        monkeypatch.setenv("FAKE_POD", what)

    does.calls = lambda: json.loads((state / "calls.json").read_text())
    does.job = state / "job.yaml"
    return does


def where(volume):
    return KubernetesCluster.parse(
        f"context=home,image=registry.example/train:1,claim=data,namespace=ml,mount={volume},gpus=1"
    )


def command(volume):
    return ["train", str(volume / "dataset"), "--output", str(volume / "run"), "--continue", "--json", "--negatives"]


def test_a_training_there_leaves_its_files_here(volume, pod):
    pod("done")
    looks = []
    train(command(volume), where(volume), name="pets-3", poll=lambda: looks.append(1))

    assert (volume / "run" / "summary.json").is_file()
    assert len(looks) >= 2
    (job,) = yaml.safe_load_all(pod.job.read_text())
    assert job["metadata"]["name"] == "preannotate-pets-3"
    assert job["metadata"]["namespace"] == "ml"
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "registry.example/train:1"
    assert container["volumeMounts"][0]["mountPath"] == str(volume)
    assert container["args"][0] == str(volume / "dataset")
    assert "--continue" in container["args"]
    assert all(call[:4] == ["--context", "home", "--namespace", "ml"] for call in pod.calls())
    assert [call[4] for call in pod.calls()][:3] == ["get", "delete", "apply"]


def test_a_job_that_fails_says_why(volume, pod):
    pod("fail")
    sentence = (
        "Job preannotate-pets-3: failed (Job has reached the specified backoff limit); expected it to finish. Last "
        "output of its pod: boards: no images; expected some. Fix that and run the same command again."
    )
    with pytest.raises(PipelineError, match=f"^{re.escape(sentence)}$"):
        train(command(volume), where(volume), name="pets-3")
    assert not pod.job.exists()


def test_an_interruption_takes_the_job_away(volume, pod):
    pod("forever")
    looks = []

    def look():
        looks.append(1)
        if len(looks) > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(command(volume), where(volume), name="pets-3", poll=look)
    assert not pod.job.exists()


def test_a_job_that_is_at_work_already_is_waited_for(volume, pod, monkeypatch):
    """As after `kill -9` of the run that began it."""
    pod("forever")
    begun = threading.Event()
    kubectl = kubernetes._kubectl

    def not_deleting(cluster, *words, **rest):
        return "" if "--wait=false" in words else kubectl(cluster, *words, **rest)

    monkeypatch.setattr(kubernetes, "_kubectl", not_deleting)

    def killed():
        begun.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(command(volume), where(volume), name="pets-3", poll=killed)
    assert pod.job.exists()
    pod("done")
    train(command(volume), where(volume), name="pets-3")

    assert [call[4] for call in pod.calls()].count("apply") == 1


def test_a_cluster_that_does_not_answer(volume, pod):
    pod("deaf")
    sentence = (
        "kubectl get: Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout; expected exit code 0. "
        "Fix that and run the same command again."
    )
    with pytest.raises(PipelineError, match=f"^{re.escape(sentence)}$"):
        train(command(volume), where(volume), name="pets-3")


def test_a_cluster_that_is_away_for_a_moment_is_waited_for(volume, pod):
    pod("forever")
    moments = iter(["deaf"] * 12 + ["done"] * 1000)

    train(command(volume), where(volume), name="pets-3", poll=lambda: pod(next(moments)))

    assert (volume / "run" / "summary.json").is_file()


def test_without_kubectl(volume, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    sentence = "kubectl: no such program; expected it for --kubernetes. Install it, or train on this machine."
    with pytest.raises(PipelineError, match=f"^{re.escape(sentence)}$"):
        train(command(volume), where(volume), name="pets-3")


def test_a_path_that_no_pod_would_find(volume, pod, tmp_path):
    pod("done")
    elsewhere = ["train", str(tmp_path / "dataset"), "--output", str(volume / "run"), "--continue", "--json"]
    with pytest.raises(ChildError, match="not on the shared volume; expected a path below"):
        train(elsewhere, where(volume), name="pets-3")


def test_what_a_cluster_must_be_told():
    with pytest.raises(TrainingError, match=re.escape("--kubernetes: no claim; expected claim=NAME")):
        KubernetesCluster.parse("context=home,image=i")
    with pytest.raises(TrainingError, match=re.escape("--kubernetes: unknown name 'colour'")):
        KubernetesCluster.parse("image=i,claim=c,colour=red")


def test_run_refuses_a_workspace_beside_the_volume(tmp_path, capsys):
    options = ("--task", "12", "--workspace", str(tmp_path), "--kubernetes", "image=i,claim=c,mount=/srv/data")
    code = main(["run", "--cvat", "http://127.0.0.1:1", *options])

    assert (code, capsys.readouterr().err) == (
        COULD_NOT_RUN,
        f"error: --kubernetes: {tmp_path} is not on the volume; expected a workspace below /srv/data, where both this "
        f"machine and the pods have it. Choose it with --workspace, or the place of the volume with mount=.\n",
    )


def test_a_run_trains_where_it_is_told(volume, monkeypatch):
    asked = []

    def fake(command, where, *, name, lock, poll):
        asked.append((command, where.mount, name))
        write_json(Path(command[3]) / "summary.json", {"epochs": 3, "seconds": 60.0, "validation": SCORES})

    monkeypatch.setattr(kubernetes, "train", fake)
    monkeypatch.chdir(volume)
    model = Workspace(Path("workspace")).model("pets")
    request = RunRequest(kubernetes=f"image=i,claim=c,mount={volume}", model="auto")
    builder = VersionBuilder(model, request, ProgressWriter(None, ["train"]))

    assert builder.train(model.version(3), ["--negatives"]) == (
        "version 3: 3 epochs in 60 s, mAP50 0.900, mAP 0.600 on 2 validation images"
    )
    folder = volume / "workspace" / "models" / "pets"
    assert asked == [
        (
            [
                *("train", str(folder / "dataset"), "--output", str(folder / "versions/3/run"), "--continue", "--json"),
                *("--negatives", "--model", "auto", "--base-model", "auto"),
            ],
            volume,
            "pets-3",
        )
    ]
