"""What `train --kubernetes` prints: read back, and held against the schemas of Kubernetes itself."""

import re

import pytest
import yaml

from preannotate.cli.main import parser
from preannotate.cli.train import _render_manifests
from trainer.cluster import find_cluster
from trainer.errors import TrainingError

VERSIONS = ("1.29", "1.31", "1.34", "1.37")
WHERE = "image=registry.example/train:1,claim=annotations"
WORKERS = f"--output runs/boards --kubernetes {WHERE},workers=3,gpus=2,namespace=vision,pull-secret=registry"
TRIALS = f"--output runs/boards --trials 4 --vary alpha=0.5|1.0 --kubernetes {WHERE}"


def render(line, exports="export.zip"):
    text = _render_manifests(parser().parse_args(["train", *exports.split(), *line.split()]))
    return list(yaml.safe_load_all(text))


def container(job):
    return job["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("line", [WORKERS, TRIALS, f"--output runs/boards --kubernetes {WHERE}"])
def test_kubernetes_knows_every_field(line, version):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")

    for manifest in render(line):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schemas_would_see_a_mistake():
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    job = render(TRIALS)[0]
    job["spec"]["compIetions"] = 4

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, VERSIONS[0], strict=True)


def test_workers_meet_under_the_names_that_the_trainer_expects():
    service, job = render(WORKERS)
    pod = job["spec"]["template"]["spec"]
    environment = {item["name"]: item["value"] for item in container(job)["env"]}
    name = job["metadata"]["name"]
    cluster = find_cluster({**environment, "JOB_COMPLETION_INDEX": "2", "HOSTNAME": f"{name}-2"})

    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == job["spec"]["template"]["metadata"]["labels"]
    assert pod["subdomain"] == service["metadata"]["name"]
    assert cluster.addresses == tuple(f"{name}-{index}.{pod['subdomain']}:2222" for index in range(3))
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == 3


def test_workers_get_the_arguments_of_the_command():
    job = render(f"--arguments epochs=40,seed=1 --set batch_size=24 {WORKERS}")[1]

    assert container(job)["args"] == [
        *("export.zip", "--arguments", "epochs=40,seed=1,batch_size=24,num_clones=2"),
        *("--output", "runs/boards", "--continue", "--json"),
    ]
    assert container(job)["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": "2"}


def test_each_trial_is_an_index():
    (job,) = render(TRIALS)

    assert job["spec"]["completions"] == 4
    assert container(job)["args"][-4:] == ["--trials", "4", "--trial", "$(JOB_COMPLETION_INDEX)"]
    assert container(job)["args"][:6] == [
        "export.zip", "--output", "runs/boards", "--json", "--vary", "alpha=0.5|1.0",
    ]  # fmt: skip
    assert "PREANNOTATE_WORKERS" not in {item["name"] for item in container(job)["env"]}


def test_what_a_person_has_to_mend_is_not_tried_again():
    for line, action in ((WORKERS, "FailJob"), (TRIALS, "FailIndex")):
        rule = render(line)[-1]["spec"]["podFailurePolicy"]["rules"][0]
        assert rule["action"] == action
        assert rule["onExitCodes"]["values"] == [2]


def test_a_pod_may_do_nothing_but_train():
    pod = render(WORKERS)[1]["spec"]["template"]["spec"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["imagePullSecrets"] == [{"name": "registry"}]


@pytest.mark.parametrize(
    ("line", "exports", "sentence"),
    [
        (
            f"--kubernetes {WHERE}",
            "export.zip",
            "--kubernetes: no --output; expected a folder, so that restarted pods find their run.",
        ),
        (
            "--output runs/a --kubernetes claim=annotations",
            "export.zip",
            "--kubernetes: no image; expected image=NAME, as in image=REGISTRY/IMAGE,claim=NAME.",
        ),
        (
            f"--output runs/a --kubernetes {WHERE},nodes=2",
            "export.zip",
            "--kubernetes: unknown name 'nodes'; expected one of: "
            "claim, cpu, gpus, image, memory, mount, name, namespace, pull_secret, workers.",
        ),
        (
            f"--output runs/a --kubernetes {WHERE},workers=0",
            "export.zip",
            "--kubernetes: workers=0; expected a whole number from 1 on.",
        ),
        (
            f"--output runs/a --kubernetes {WHERE},memory=much",
            "export.zip",
            "--kubernetes: memory=much; expected a quantity, such as 8Gi.",
        ),
        (
            f"--output runs/a --kubernetes {WHERE},name=Boards",
            "export.zip",
            "--kubernetes: name=Boards; expected a lower-case DNS label of at most 57 characters.",
        ),
        (
            f"--output runs/a --kubernetes {WHERE}",
            "/home/export.zip",
            "/home/export.zip: not on the shared volume; expected a path below /data, absolute or relative to it. "
            "Copy the file there.",
        ),
        (
            f"--output ../a --kubernetes {WHERE}",
            "export.zip",
            "../a: not on the shared volume; expected a path below /data, absolute or relative to it. "
            "Copy the file there.",
        ),
        (
            f"--output runs/a --kubernetes {WHERE}",
            "",
            "--kubernetes: no EXPORT; expected annotations to train on, as paths on the shared volume.",
        ),
        (
            f"--output runs/a --trials 3 --kubernetes {WHERE},workers=2",
            "export.zip",
            "--kubernetes: workers=2 with --trials 3; expected one worker for each trial. Leave workers out.",
        ),
    ],
)
def test_what_no_pod_could_do_is_refused(line, exports, sentence):
    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        render(line, exports)
