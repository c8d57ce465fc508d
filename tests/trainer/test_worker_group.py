from pathlib import Path

import pytest
import tensorflow as tf

from trainer.cluster import WorkerCluster
from trainer.errors import WorkerLostError
from trainer.worker_group import WorkerGroup, too_few

PAIR = WorkerCluster(("a:1", "b:2"), 0)


@pytest.fixture
def team():
    return WorkerGroup(tf.distribute.get_strategy(), PAIR)


def lost(team, reason):
    with pytest.raises(WorkerLostError) as caught, team.watched(Path("runs/a")):
        raise tf.errors.UnavailableError(None, None, reason)
    return str(caught.value)


def test_alone_a_process_is_its_own_chief():
    team = WorkerGroup(tf.distribute.get_strategy())

    assert team.is_chief
    assert team.from_chief(lambda: {"epoch": 1}) == {"epoch": 1}


def test_what_the_chief_makes_crosses_as_bytes(team):
    assert team.from_chief(lambda: {"label": "Käfer"}) == {"label": "Käfer"}


def test_a_lost_worker_is_named(team):
    assert lost(team, "tasks are unhealthy:\n/job:worker/replica:0/task:1\n") == (
        "worker 1 (b:2): no answer any more; expected all 2 workers until the end. "
        "See its log, then continue on all with: preannotate train --resume runs/a"
    )


def test_a_worker_that_tensorflow_does_not_name_is_lost_all_the_same(team):
    assert lost(team, "Connection reset by peer").startswith("a worker: no answer any more; expected all 2 workers")


def test_alone_an_error_of_tensorflow_stays_what_it_is():
    with pytest.raises(tf.errors.UnavailableError), WorkerGroup(tf.distribute.get_strategy()).watched(Path("runs/a")):
        raise tf.errors.UnavailableError(None, None, "disk")


def test_workers_that_do_not_come_are_named():
    assert too_few(PAIR) == (
        "worker 0: not all of b:2 came within 15 minutes; expected 2 workers. "
        "See whether they run and can be reached under these names."
    )
