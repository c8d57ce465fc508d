"""Which processes train one run together, from environment variables that a scheduler sets.

The first that applies:

TF_CONFIG               as Kubeflow's TFJob and TensorFlow's own guides set it.
JOB_COMPLETION_INDEX    set by an Indexed Job of Kubernetes. With it come PREANNOTATE_WORKERS, the number of pods, and
                        PREANNOTATE_SERVICE, the headless Service that gives them names; what precedes the index in
                        HOSTNAME is the same for all.
neither                 this process trains alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from trainer.errors import TrainingError

WORKERS, SERVICE, INDEX = "PREANNOTATE_WORKERS", "PREANNOTATE_SERVICE", "JOB_COMPLETION_INDEX"
# Port of all workers of a Job; each has an address of its own.
PORT = 2222


@dataclass(frozen=True)
class WorkerCluster:
    """The workers of a run, as `host:port`, the chief first; `index` is that of this process."""

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process prepares, validates and writes."""
        return self.index == 0


def find_cluster(environment: Mapping[str, str]) -> WorkerCluster | None:
    """Return the cluster that this process belongs to, None if it trains alone; a TrainingError if it is impossible."""
    if environment.get("TF_CONFIG", "").strip():
        cluster = _from_tf_config(environment["TF_CONFIG"])
    elif INDEX in environment and WORKERS in environment:
        cluster = _from_job(environment)
    else:
        return None
    return cluster if len(cluster.addresses) > 1 else None


def _from_tf_config(text: str) -> WorkerCluster:
    try:
        content = json.loads(text)
        hosts, task = dict(content["cluster"]), content["task"]
        kind, index = str(task["type"]), int(task["index"])
        chiefs, workers = [*hosts.pop("chief", [])], [*hosts.pop("worker", [])]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"TF_CONFIG: {type(error).__name__}: {error}; expected JSON with cluster and task. "
            f"Unset TF_CONFIG to train on this machine alone."
        ) from error
    if hosts or kind not in ("chief", "worker"):
        others = ", ".join(sorted({*hosts, kind} - {"chief", "worker"}))
        raise TrainingError(f"TF_CONFIG: {others}; expected only chief and worker. Every process does the same work.")
    addresses = (*chiefs, *workers)
    position = index + (len(chiefs) if kind == "worker" else 0)
    if not 0 <= index < len(workers if kind == "worker" else chiefs):
        raise TrainingError(
            f"TF_CONFIG: task {kind} {index}; expected one of the {len(addresses)} addresses in cluster. "
            f"Give each process the same cluster and its own index."
        )
    return WorkerCluster(addresses, position)


def _from_job(environment: Mapping[str, str]) -> WorkerCluster:
    count = _whole(environment, WORKERS, least=1)
    index = _whole(environment, INDEX, least=0)
    if index >= count:
        raise TrainingError(
            f"{INDEX}: {index}; expected less than {count}, the value of {WORKERS}. "
            f"Set it to the number of completions of the Job."
        )
    if count == 1:
        return WorkerCluster(("localhost",), 0)
    service = environment.get(SERVICE, "")
    if not service:
        raise TrainingError(
            f"{SERVICE}: not set; expected the name of the headless Service of the Job. Without it {count} workers "
            f"do not find each other."
        )
    host = environment.get("HOSTNAME", "")
    ending = f"-{index}"
    if not host.endswith(ending):
        raise TrainingError(
            f"HOSTNAME: {host!r}; expected a name that ends with {ending!r}, as pods of an Indexed Job have. "
            f"Set TF_CONFIG instead."
        )
    prefix = host.removesuffix(ending)
    return WorkerCluster(tuple(f"{prefix}-{number}.{service}:{PORT}" for number in range(count)), index)


def _whole(environment: Mapping[str, str], name: str, *, least: int) -> int:
    text = environment.get(name, "")
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise TrainingError(f"{name}: {text!r}; expected a whole number from {least} on.")
    return int(text)
