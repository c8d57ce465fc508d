"""A training on Kubernetes without an operator: an Indexed Job, and a headless Service where its pods must meet.

Every field that decides something has its reason beside it. Kubernetes 1.31 and later know all of them; 1.29 and 1.30
do as well, as beta features that are on by default. Nothing here connects to a cluster, and no secret is written: a
pull secret is only named.
"""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from trainer.cluster import PORT, SERVICE, WORKERS
from trainer.errors import TrainingError
from trainer.request import TrainingRequest
from trainer.trials import TrialOptions

# Kubernetes replaces it by the value of the pod's own variable.
INDEX = "$(JOB_COMPLETION_INDEX)"
# Names of pods are that of the Job, a dash and the index, and have at most 63 characters (DNS label, RFC 1123).
LONGEST_NAME = 57
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kMGT]i?)?")
# A Kubernetes object, or a part of one.
Manifest = dict[str, Any]
# User of the image; no pod needs to be root.
USER = 1000
# Lost workers start again together: each loss is a failed pod for each worker.
RESTARTS = 3
KEEP_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class KubernetesOptions:
    """Settings of `--kubernetes`.

    Attributes:
        image: With preannotate in it; see `docker/Dockerfile`.
        claim: PersistentVolumeClaim that holds annotations and runs; with several pods ReadWriteMany.
        name: Of the Job and its Service; by default the name of the run.
        namespace: None leaves it to kubectl.
        workers: Pods that train one run together.
        gpus, cpu, memory: Of each pod; `memory` is request and limit, `cpu` a request only.
        mount: Where the claim is mounted; relative paths start there.
        pull_secret: Name of the Secret with which the image is pulled; None if it needs none.
    """

    image: str
    claim: str
    name: str
    namespace: str | None = None
    workers: int = 1
    gpus: int = 0
    cpu: str = "2"
    memory: str = "8Gi"
    mount: str = "/data"
    pull_secret: str | None = None

    @classmethod
    def parse(cls, text: str, *, output: Path | None) -> "KubernetesOptions":
        """Read `image=…,claim=…,workers=2`, where `-` and `_` are alike; the folder of the run gives the name."""
        if output is None:
            raise TrainingError("--kubernetes: no --output; expected a folder, so that restarted pods find their run.")
        values: dict[str, Any] = {"name": re.sub(r"[^a-z0-9]+", "-", output.name.lower()).strip("-")}
        fields = {field.name: field.type for field in dataclasses.fields(cls)}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = (piece.strip() for piece in part.partition("="))
            key = name.replace("-", "_")
            if key not in fields:
                raise TrainingError(
                    f"--kubernetes: unknown name {name!r}; expected one of: {', '.join(sorted(fields))}."
                )
            values[key] = int(value) if fields[key] is int and value.isascii() and value.isdigit() else value
        for key in ("image", "claim"):
            if not values.get(key):
                raise TrainingError(
                    f"--kubernetes: no {key}; expected {key}=NAME, as in image=REGISTRY/IMAGE,claim=NAME."
                )
        options = cls(**values)
        options._check()
        return options

    def _check(self) -> None:
        label = f"a lower-case DNS label of at most {LONGEST_NAME} characters"
        checks = {
            "name": (len(self.name) <= LONGEST_NAME and bool(_NAME.fullmatch(self.name)), label),
            "claim": (bool(re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", self.claim)), "a name of Kubernetes"),
            "namespace": (self.namespace is None or bool(_NAME.fullmatch(self.namespace)), "a name of Kubernetes"),
            "workers": (isinstance(self.workers, int) and self.workers >= 1, "a whole number from 1 on"),
            "gpus": (isinstance(self.gpus, int), "a whole number from 0 on"),
            "cpu": (bool(_QUANTITY.fullmatch(self.cpu)), "a quantity, such as 2 or 500m"),
            "memory": (bool(_QUANTITY.fullmatch(self.memory)), "a quantity, such as 8Gi"),
            "mount": (PurePosixPath(self.mount).is_absolute() and self.mount != "/", "an absolute path other than /"),
        }
        for key, (valid, expected) in checks.items():
            if not valid:
                raise TrainingError(f"--kubernetes: {key}={getattr(self, key)}; expected {expected}.")


def render(request: TrainingRequest, options: KubernetesOptions, trials: TrialOptions | None = None) -> str:
    """Return the manifests of a training as YAML for `kubectl apply -f -`; see `pod_arguments` for errors."""
    objects = build(options, pod_arguments(request, options, trials), trials=trials.count if trials else None)
    return yaml.safe_dump_all(objects, sort_keys=False, width=120)


def pod_arguments(request: TrainingRequest, options: KubernetesOptions, trials: TrialOptions | None) -> list[str]:
    """Return what follows `preannotate train` in a pod; a TrainingError for a path that is not on the shared volume."""
    if not request.exports:
        raise TrainingError("--kubernetes: no EXPORT; expected annotations to train on, as paths on the shared volume.")
    if trials and options.workers > 1:
        raise TrainingError(
            f"--kubernetes: workers={options.workers} with --trials {trials.count}; expected one worker for each "
            f"trial. Leave workers out."
        )

    def on_volume(path: Path) -> PurePosixPath:
        pure = PurePosixPath(path.as_posix())
        if ".." in pure.parts or (pure.is_absolute() and not pure.is_relative_to(options.mount)):
            raise TrainingError(
                f"{path}: not on the shared volume; expected a path below {options.mount}, absolute or relative to it. "
                f"Copy the file there."
            )
        return pure

    overrides = {**request.overrides, **({"num_clones": options.gpus} if options.gpus > 1 else {})}
    # A pod that replaces another continues its run; a trial does so anyway.
    pod_request = replace(request, overrides=overrides, continue_run=trials is None)
    argv = [*pod_request.to_argv(on_volume), "--json"]
    if trials is None:
        return argv
    vary = ["--vary", trials.vary] if trials.vary else []
    return [*argv, *vary, "--trials", str(trials.count), "--trial", INDEX]


def build(options: KubernetesOptions, arguments: Sequence[str], *, trials: int | None) -> list[Manifest]:
    """Return the objects to apply, in order; `arguments` are what follows `preannotate train` in a pod.

    With `trials` so many pods each train a run of their own; without, all pods train one together.
    """
    job = _job(options, arguments, trials)
    return [_service(options), job] if options.workers > 1 else [job]


def _labels(options: KubernetesOptions) -> dict[str, str]:
    return {"app.kubernetes.io/name": "preannotate-train", "app.kubernetes.io/instance": options.name}


def _metadata(options: KubernetesOptions) -> Manifest:
    where = {"namespace": options.namespace} if options.namespace else {}
    return {"name": options.name, **where, "labels": _labels(options)}


def _service(options: KubernetesOptions) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(options),
        "spec": {
            "clusterIP": "None",  # only names: workers speak to each other's addresses
            "publishNotReadyAddresses": True,  # they look for each other before they are ready
            "selector": _labels(options),
            "ports": [{"name": "grpc", "port": PORT}],
        },
    }


def _job(options: KubernetesOptions, arguments: Sequence[str], trials: int | None) -> Manifest:
    pods = trials or options.workers
    # A trial that fails for good does not affect the others; a worker that does ends the run.
    limit = {"backoffLimitPerIndex": RESTARTS} if trials else {"backoffLimit": RESTARTS * pods}
    mistake = "FailIndex" if trials else "FailJob"
    mistake_codes = {"containerName": "train", "operator": "In", "values": [TrainingError.exit_code]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(options),
        "spec": {
            "completionMode": "Indexed",
            "completions": pods,
            "parallelism": pods,
            **limit,
            "podFailurePolicy": {
                "rules": [
                    # Another try does not fix a mistake in the request.
                    {"action": mistake, "onExitCodes": mistake_codes},
                    # A node that is drained is nobody's failure.
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "ttlSecondsAfterFinished": KEEP_SECONDS,
            "template": {"metadata": {"labels": _labels(options)}, "spec": _pod(options, arguments)},
        },
    }


def _pod(options: KubernetesOptions, arguments: Sequence[str]) -> Manifest:
    pull = {"imagePullSecrets": [{"name": options.pull_secret}]} if options.pull_secret else {}
    return {
        "restartPolicy": "Never",  # as podFailurePolicy demands; the Job makes new pods
        **({"subdomain": options.name} if options.workers > 1 else {}),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **pull,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(options, arguments)],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": options.claim}},
            # NCCL, with which GPUs of a pod speak, needs more than the 64 MB that containers have.
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }


def _container(options: KubernetesOptions, arguments: Sequence[str]) -> Manifest:
    environment = {"HOME": "/tmp", "PYTHONUNBUFFERED": "1"}
    if options.workers > 1:
        environment |= {WORKERS: str(options.workers), SERVICE: options.name}
    gpus = {"nvidia.com/gpu": str(options.gpus)} if options.gpus else {}
    return {
        "name": "train",
        "image": options.image,
        "command": ["preannotate", "train"],
        "args": list(arguments),
        "workingDir": options.mount,
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        **({"ports": [{"name": "grpc", "containerPort": PORT}]} if options.workers > 1 else {}),
        "resources": {
            "requests": {"cpu": options.cpu, "memory": options.memory},
            "limits": {"memory": options.memory, **gpus},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": options.mount},
            {"name": "shm", "mountPath": "/dev/shm"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
