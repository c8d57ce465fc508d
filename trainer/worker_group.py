"""The processes that train one run together, as seen by one of them.

All do the same steps on their own shard of each batch. Only the first, the *chief*, prepares, validates, decides and
writes; the others wait for its result in a collective operation. A lost worker ends the collective operations of all
others within seconds: TensorFlow's coordination service misses its heartbeat.
"""

import contextlib
import json
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import tensorflow as tf

from preannotate.core.errors import PreannotateError
from trainer import devices
from trainer.cluster import WorkerCluster, find_cluster
from trainer.config import RequestedConfig
from trainer.errors import TrainingError, WorkerLostError

log = logging.getLogger(__name__)
Result = TypeVar("Result")

# Pods may wait for a node or an image; TensorFlow itself would wait for ever.
JOIN_MINUTES = 15
_PEER = re.compile(r"/job:worker/replica:0/task:(\d+)")


class WorkerGroup:
    """The `size` processes of a run and the `index` of this one; a process alone is its own chief, which is 0.

    Networks are built and trained under `strategy`.
    """

    def __init__(self, strategy: tf.distribute.Strategy, cluster: WorkerCluster | None = None) -> None:
        self.strategy = strategy
        self._addresses = cluster.addresses if cluster else ("this machine",)
        self.size = len(self._addresses)
        self.index = cluster.index if cluster else 0
        self._sum = tf.function(self._from_first_replica, input_signature=[tf.TensorSpec([None], tf.float32)])

    @classmethod
    def join(cls, config: RequestedConfig) -> "WorkerGroup":
        """Wait for the other processes that the environment names; errors of `find_cluster` and `devices.strategy`."""
        cluster = find_cluster(os.environ)
        try:
            with _join_timeout(cluster):
                workers = cls(devices.strategy(config, cluster), cluster)
        except tf.errors.OpError as error:
            where = f"worker {cluster.index} ({cluster.addresses[cluster.index]})" if cluster else "this machine"
            reason = str(error).strip().splitlines()[0]
            raise TrainingError(
                f"{where}: {reason}; expected to reach the other workers. Start all of them again."
            ) from error
        if cluster:
            # TensorFlow takes SIGTERM for an announcement and continues; whoever sends it wants the process to end.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            log.info("worker %d of %d, %d replicas", workers.index, workers.size, workers.strategy.num_replicas_in_sync)
        return workers

    @property
    def is_chief(self) -> bool:
        """Whether this process prepares, validates and writes."""
        return self.index == 0

    def from_chief(self, make: Callable[[], Result]) -> Result:
        """Call a function on the chief alone; return its result, as JSON would, or raise its error, on all."""
        if self.size == 1:
            return make()
        if not self.is_chief:
            message = json.loads(self._broadcast(b""))
            if "error" in message:
                raise TrainingError(message["error"])
            value: Result = message["value"]
            return value
        try:
            value = make()
        except PreannotateError as error:
            self._broadcast(json.dumps({"error": str(error)}).encode())
            raise
        self._broadcast(json.dumps({"value": value}).encode())
        return value

    @contextlib.contextmanager
    def watched(self, run: Path) -> Iterator[None]:
        """Turn TensorFlow's error about a lost worker into a WorkerLostError, which is one sentence."""
        try:
            yield
        except tf.errors.OpError as error:
            if self.size == 1:
                raise
            raise WorkerLostError(self._lost(str(error), run)) from error

    def _lost(self, reason: str, run: Path) -> str:
        peers = [int(number) for number in _PEER.findall(reason) if int(number) != self.index]
        who = f"worker {peers[0]} ({self._addresses[peers[0]]})" if peers else "a worker"
        return (
            f"{who}: does not answer any more; expected all {self.size} workers until the end. "
            f"See its log, then continue on all with: preannotate train --resume {run}"
        )

    def _broadcast(self, content: bytes) -> bytes:
        length = int(self._sum(np.array([len(content)], np.float32))[0])
        padded = np.frombuffer(content.ljust(length, b"\0")[:length], np.uint8)
        return np.asarray(self._sum(padded.astype(np.float32))).astype(np.uint8).tobytes()

    def _from_first_replica(self, values: tf.Tensor) -> tf.Tensor:
        """Return the chief's values on all, as their sum with zeros. Bytes are exact in float32, which NCCL accepts."""

        def replica(values: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            first = tf.equal(context.replica_id_in_sync_group, 0)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(first, values, tf.zeros_like(values)))

        summed = self.strategy.run(replica, args=(values,))
        return self.strategy.experimental_local_results(summed)[0]


@contextlib.contextmanager
def _join_timeout(cluster: WorkerCluster | None) -> Iterator[None]:
    """End the process if other workers do not come: TensorFlow waits inside a call that nothing else interrupts."""
    if cluster is None:
        yield
        return
    timer = threading.Timer(JOIN_MINUTES * 60, _exit_alone, args=(cluster,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _exit_alone(cluster: WorkerCluster) -> None:
    print(f"error: {missing_workers(cluster)}", file=sys.stderr, flush=True)
    os._exit(WorkerLostError.exit_code)


def missing_workers(cluster: WorkerCluster) -> str:
    """Return the message for workers that did not come in time."""
    others = [address for number, address in enumerate(cluster.addresses) if number != cluster.index]
    return (
        f"worker {cluster.index}: not all of {', '.join(others)} connected within {JOIN_MINUTES} minutes; "
        f"expected {len(cluster.addresses)} workers. Check that they run and can be reached under these names."
    )
