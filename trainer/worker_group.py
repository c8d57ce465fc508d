"""The processes that train one run, seen from one of them.

All do the same steps on their own part of each batch. The first, the *chief*, alone prepares, validates, decides
and writes; the others wait in a collective operation until it says what came of it. A worker that is gone ends the
collective operations of all others within seconds: TensorFlow's coordination service hears no heartbeat any more.
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
from typing import Any

import numpy as np
import tensorflow as tf

from preannotate.core.errors import PreannotateError
from trainer import cluster, devices
from trainer.cluster import WorkerCluster
from trainer.config import RequestedConfig
from trainer.errors import TrainingError, WorkerLostError

log = logging.getLogger(__name__)

# Pods may wait for a node or an image; TensorFlow by itself would wait for ever.
MINUTES_TO_MEET = 15
_PEER = re.compile(r"/job:worker/replica:0/task:(\d+)")


class WorkerGroup:
    """One process among those of a run; alone it is its own chief.

    Attributes:
        strategy: What networks are built and trained under.
        size: How many processes there are.
        index: Which of them this is; the chief is 0.

    """

    def __init__(self, strategy: tf.distribute.Strategy, members: WorkerCluster | None = None) -> None:
        self.strategy = strategy
        self.size = len(members.addresses) if members else 1
        self.index = members.index if members else 0
        self._members = members
        self._sum = tf.function(self._from_first_replica, input_signature=[tf.TensorSpec([None], tf.float32)])

    @classmethod
    def join(cls, config: RequestedConfig) -> "WorkerGroup":
        """Meet the others that the environment speaks of.

        Raises:
            TrainingError: See `cluster.resolve` and `devices.strategy`.

        """
        members = cluster.find_cluster(os.environ)
        try:
            with _patience(members):
                team = cls(devices.strategy(config, members), members)
        except tf.errors.OpError as error:
            where = f"worker {members.index} ({members.addresses[members.index]})" if members else "this machine"
            reason = str(error).strip().splitlines()[0]
            raise TrainingError(
                f"{where}: {reason}; expected to meet the other workers. Start all of them again."
            ) from error
        if members:
            # TensorFlow takes SIGTERM for a notice and goes on; a pod or a person that sends it wants an end.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            log.info("worker %d of %d, %d replicas", team.index, team.size, team.strategy.num_replicas_in_sync)
        return team

    @property
    def is_chief(self) -> bool:
        """Whether this process prepares, validates and writes."""
        return self.index == 0

    def from_chief(self, make: Callable[[], Any]) -> Any:
        """Let the chief alone do something, and give all what came of it.

        Args:
            make: Returns what JSON can say.

        Raises:
            PreannotateError: On all, what it raised on the chief.

        """
        if self.size == 1:
            return make()
        if not self.is_chief:
            outcome = json.loads(self._broadcast(b""))
            if "error" in outcome:
                raise TrainingError(outcome["error"])
            return outcome["value"]
        try:
            value = make()
        except PreannotateError as error:
            self._broadcast(json.dumps({"error": str(error)}).encode())
            raise
        self._broadcast(json.dumps({"value": value}).encode())
        return value

    @contextlib.contextmanager
    def watched(self, run: Path) -> Iterator[None]:
        """Say in one sentence which worker was lost, should one be.

        Raises:
            WorkerLostError: In place of TensorFlow's error.

        """
        try:
            yield
        except tf.errors.OpError as error:
            if self.size == 1:
                raise
            raise WorkerLostError(self._lost(str(error), run)) from error

    def _lost(self, reason: str, run: Path) -> str:
        peers = [int(number) for number in _PEER.findall(reason) if int(number) != self.index]
        who = f"worker {peers[0]} ({self._members.addresses[peers[0]]})" if peers else "a worker"
        return (
            f"{who}: no answer any more; expected all {self.size} workers until the end. "
            f"See its log, then continue on all with: preannotate train --resume {run}"
        )

    def _broadcast(self, content: bytes) -> bytes:
        """What the chief gives, for all."""
        length = int(self._sum(np.array([len(content)], np.float32))[0])
        padded = np.frombuffer(content.ljust(length, b"\0")[:length], np.uint8)
        return np.asarray(self._sum(padded.astype(np.float32))).astype(np.uint8).tobytes()

    def _from_first_replica(self, values: tf.Tensor) -> tf.Tensor:
        """The chief's values everywhere: the sum of them and of zeros. Bytes are exact in float32, which NCCL takes."""

        def replica(values: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            first = tf.equal(context.replica_id_in_sync_group, 0)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(first, values, tf.zeros_like(values)))

        summed = self.strategy.run(replica, args=(values,))
        return self.strategy.experimental_local_results(summed)[0]


@contextlib.contextmanager
def _patience(members: WorkerCluster | None) -> Iterator[None]:
    """End the process if the others do not come: TensorFlow waits inside a call that nothing else interrupts."""
    if members is None:
        yield
        return
    timer = threading.Timer(MINUTES_TO_MEET * 60, _give_up, args=(members,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _give_up(members: WorkerCluster) -> None:
    print(f"error: {too_few(members)}", file=sys.stderr, flush=True)
    os._exit(WorkerLostError.exit_code)


def too_few(members: WorkerCluster) -> str:
    """What is said of workers that did not come."""
    others = [address for number, address in enumerate(members.addresses) if number != members.index]
    return (
        f"worker {members.index}: not all of {', '.join(others)} came within {MINUTES_TO_MEET} minutes; "
        f"expected {len(members.addresses)} workers. See whether they run and can be reached under these names."
    )
