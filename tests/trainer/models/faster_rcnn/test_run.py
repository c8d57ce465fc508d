"""A whole run with a tiny backbone: what `tests/trainer/test_train.py` asks of SSD."""

import numpy as np
import pytest
from support.training import newest_checkpoint

from trainer import train
from trainer.arguments import parse_arguments
from trainer.models import MODELS
from trainer.request import TrainingRequest
from trainer.training_loop import TrainingLoop

pytestmark = pytest.mark.slow


@pytest.fixture
def request_(family, rectangles, monkeypatch):
    monkeypatch.setitem(MODELS, family.name, family)
    overrides = parse_arguments("epochs=3,batch_size=8,image_size=128x96,seed=3")
    return lambda output: TrainingRequest(
        exports=(rectangles,), output=output, model=family.name, base_model="none", overrides=overrides
    )


def test_a_resumed_run_equals_an_uninterrupted_one(request_, tmp_path, monkeypatch):
    train.start(request_(tmp_path / "whole"))
    record = TrainingLoop._record

    def record_then_die(self, state):
        record(self, state)
        if state.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_record", record_then_die)
        with pytest.raises(KeyboardInterrupt):
            train.start(request_(tmp_path / "parts"))
    train.resume(tmp_path / "parts")

    whole, parts = newest_checkpoint(tmp_path / "whole"), newest_checkpoint(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for name in whole:
        np.testing.assert_array_equal(whole[name], parts[name], err_msg=name)
