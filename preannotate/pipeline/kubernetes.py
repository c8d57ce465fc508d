"""Training on Kubernetes in place of this machine: the Job that `train --kubernetes` prints, applied by kubectl.

The volume that the Job mounts must be on this machine as well, at the same path (`mount`), with the workspace in it: so
data, checkpoints and progress are the same files here and there, and everything but the training happens here.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preannotate.core import child_process
from preannotate.pipeline.errors import PipelineError
from trainer.kubernetes import LONGEST_NAME, KubernetesOptions

# Polling interval, and how long the cluster may be unreachable: masters are updated, networks break.
POLL_SECONDS = 5.0
TIMEOUT_SECONDS = 300.0
_KUBECTL, _CALL_SECONDS = "kubectl", 60.0
_LAST_LINES = 5


@dataclass(frozen=True)
class KubernetesCluster:
    """Where a training runs.

    Attributes:
        text: As `train --kubernetes` reads it.
        claim: PersistentVolumeClaim with the volume.
        namespace: Of the Job; None leaves it to kubectl.
        mount: Path of the volume, on this machine and in the pods.
        context: Of kubectl; None is its current one.
    """

    text: str
    claim: str
    namespace: str | None
    mount: Path
    context: str | None = None

    @classmethod
    def parse(cls, text: str) -> "KubernetesCluster":
        """Read `image=…,claim=…,mount=…` with `context=…` beside what `train --kubernetes` knows.

        Raises:
            TrainingError: An unknown name, an impossible value, or no image or claim.
        """
        parts = [part.strip() for part in text.split(",") if part.strip()]
        contexts = [part.partition("=")[2].strip() for part in parts if part.partition("=")[0].strip() == "context"]
        text = ",".join(part for part in parts if part.partition("=")[0].strip() != "context")
        options = KubernetesOptions.parse(text, output=Path("run"))
        return cls(text, options.claim, options.namespace, Path(options.mount), contexts[-1] if contexts else None)

    def holds(self, path: Path) -> bool:
        """Return whether a folder of this machine lies on the volume."""
        return path.resolve().is_relative_to(self.mount)

    def command(self, *words: str) -> list[str]:
        """Return a command line of kubectl."""
        context = ["--context", self.context] if self.context else []
        return [_KUBECTL, *context, *(["--namespace", self.namespace] if self.namespace else []), *words]


def train(
    command: Sequence[str],
    cluster: KubernetesCluster,
    *,
    name: str,
    lock: int | None = None,
    poll: Callable[[], object] = lambda: None,
) -> None:
    """Train on the cluster, or follow a Job that runs there already; return when it has ended.

    Args:
        command: As for this machine, with absolute paths on the volume.
        cluster: Where to train.
        name: Of the model and its version.
        lock: Descriptor of the model's lock.
        poll: Called every half second.

    Raises:
        PipelineError: kubectl or the Job failed, or the cluster does not respond.
        TrainingError: A path that no pod would find.
        KeyboardInterrupt: Interrupted; the Job is deleted, and the same command continues.
    """
    job = f"preannotate-{name}"[:LONGEST_NAME].rstrip("-")
    if not shutil.which(_KUBECTL):
        raise PipelineError(
            "kubectl: no such program; expected it for --kubernetes. Install it, or train on this machine."
        )
    arguments = [*command, "--kubernetes", f"{cluster.text},name={job}"]
    manifests = child_process.run_module("preannotate", arguments, lock=lock)
    if not (_status(cluster, job) or {}).get("active"):
        _kubectl(cluster, "delete", "job", job, "--ignore-not-found")  # of an earlier attempt
        _kubectl(cluster, "apply", "--filename", "-", given=manifests)
    try:
        _wait(cluster, job, poll)
    except BaseException:
        with contextlib.suppress(PipelineError):  # the error that brought us here matters more
            _kubectl(cluster, "delete", "job", job, "--ignore-not-found", "--wait=false")  # what its pods wrote stays
        raise


def _wait(cluster: KubernetesCluster, job: str, poll: Callable[[], object]) -> None:
    responded = requested = time.monotonic()
    while True:
        poll()
        time.sleep(min(child_process.POLL_SECONDS, POLL_SECONDS))
        now = time.monotonic()
        if now - requested < POLL_SECONDS:
            continue
        requested = now
        try:
            status = _status(cluster, job)
        except PipelineError:
            if now - responded > TIMEOUT_SECONDS:
                raise
            continue
        responded = now
        if status is None:
            raise PipelineError(f"Job {job}: was deleted; expected it to finish. Run the same command again.")
        conditions = {one["type"]: one for one in status.get("conditions", ()) if one.get("status") == "True"}
        if "Complete" in conditions:
            poll()
            return
        if failed := conditions.get("Failed"):
            raise PipelineError(_failure(cluster, job, failed))


def _failure(cluster: KubernetesCluster, job: str, condition: dict[str, Any]) -> str:
    try:
        lines = _kubectl(cluster, "logs", f"job/{job}", f"--tail={_LAST_LINES}").strip().splitlines()
    except PipelineError:  # its pods may be gone
        lines = []
    error = child_process.last_error(lines)
    last = error or " | ".join(lines) or "nothing"
    why = condition.get("message") or condition.get("reason") or "without a reason"
    return (
        f"Job {job}: failed ({why}); expected it to finish. Last output of its pod: {last.rstrip('.')}. "
        f"Fix that and run the same command again."
    )


def _status(cluster: KubernetesCluster, job: str) -> dict[str, Any] | None:
    """Return the status of a Job; None if there is no such Job."""
    found = _kubectl(cluster, "get", "job", job, "--ignore-not-found", "--output", "json")
    try:
        return json.loads(found).get("status", {}) if found.strip() else None
    except (ValueError, AttributeError) as error:
        raise PipelineError(f"kubectl get job {job}: no JSON ({error}); expected the Job. Update kubectl.") from error


def _kubectl(cluster: KubernetesCluster, *words: str, given: str | None = None) -> str:
    result = child_process.run(cluster.command(*words), given=given, timeout=_CALL_SECONDS)
    if problem := result.problem:
        raise PipelineError(
            f"kubectl {words[0]}: {problem.rstrip('.')}; expected exit code 0. Fix that and run the same command again."
        )
    return result.stdout
