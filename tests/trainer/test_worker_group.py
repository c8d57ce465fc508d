from pathlib import Path

import pytest
import tensorflow as tf

from trainer.cluster import WorkerCluster
from trainer.errors import WorkerLostError
from trainer.worker_group import WorkerGroup, missing_workers

PAIR = WorkerCluster(("a:1", "b:2"), 0)


@pytest.fixture
def workers():
    return WorkerGroup(tf.distribute.get_strategy(), PAIR)


def lost(workers, reason):
    with pytest.raises(WorkerLostError) as caught, workers.watched(Path("runs/a")):
        raise tf.errors.UnavailableError(None, None, reason)
    return str(caught.value)


def test_alone_a_process_is_its_own_chief():
    workers = WorkerGroup(tf.distribute.get_strategy())

    assert workers.is_chief
    assert workers.from_chief(lambda: {"epoch": 1}) == {"epoch": 1}


def test_what_the_chief_makes_crosses_as_bytes(workers):
    assert workers.from_chief(lambda: {"label": "Käfer"}) == {"label": "Käfer"}


def test_a_lost_worker_is_named(workers):
    assert lost(workers, "tasks are unhealthy:\n/job:worker/replica:0/task:1\n") == (
        "worker 1 (b:2): does not answer any more; expected all 2 workers until the end. "
        "See its log, then continue on all with: preannotate train --resume runs/a"
    )


def test_a_worker_that_tensorflow_does_not_name_is_lost_all_the_same(workers):
    assert lost(workers, "Connection reset by peer").startswith(
        "a worker: does not answer any more; expected all 2 workers"
    )


def test_alone_an_error_of_tensorflow_stays_what_it_is():
    with pytest.raises(tf.errors.UnavailableError), WorkerGroup(tf.distribute.get_strategy()).watched(Path("runs/a")):
        raise tf.errors.UnavailableError(None, None, "disk")


def test_workers_that_do_not_come_are_named():
    assert missing_workers(PAIR) == (
        "worker 0: not all of b:2 connected within 15 minutes; expected 2 workers. "
        "Check that they run and can be reached under these names."
    )
