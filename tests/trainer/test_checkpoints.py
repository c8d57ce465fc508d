"""States of runs, also those that earlier releases wrote."""

import json
from types import SimpleNamespace

from trainer import checkpoints
from trainer.run_directory import RunDirectory


class Weights:
    """As much of a `tf.train.Checkpoint` as is used."""

    def read(self, path):
        return self

    def assert_existing_objects_matched(self):
        pass


def test_a_state_of_before_scores_were_watched_counts_them_as_good_until_then(tmp_path):
    run = RunDirectory(tmp_path)
    best = {"epoch": 3, "progress": 0.45, "map50": 0.9, "record": 0.5}
    old = {"epoch": 4, "step": 40, "progress": 0.6, "spent": 9.0, "history": [], "best": best, "stopped_early": False}
    folder = run.checkpoints / "epoch-00004"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(json.dumps(old))
    trainer = SimpleNamespace(checkpoint=Weights())

    state = checkpoints.restore(run, trainer, checkpoints.newest(run))

    assert trainer.step == state.step == 40
    assert state.sound == state.progress == 0.6
    assert state.self_training is None
    assert not state.finished
