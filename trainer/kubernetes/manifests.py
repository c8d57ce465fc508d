"""The Job and its Service as plain data.

Every field that decides something has its reason beside it. Kubernetes 1.31 and later know all of them; 1.29 and 1.30
do as well, as beta features that are on by default.
"""

from collections.abc import Sequence
from typing import Any

from trainer.cluster import PORT, SERVICE, WORKERS
from trainer.errors import TrainerError
from trainer.kubernetes.options import KubernetesOptions

# A Kubernetes object, or a part of one.
Manifest = dict[str, Any]
# User of the image; no pod needs to be root.
USER = 1000
# Lost workers start again together: each loss is a failed pod for each worker.
RESTARTS = 3
KEEP_SECONDS = 7 * 24 * 3600


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
                    {
                        "action": mistake,
                        "onExitCodes": {"containerName": "train", "operator": "In", "values": [TrainerError.exit_code]},
                    },
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
