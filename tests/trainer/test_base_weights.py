import re

import pytest

from trainer import base_weights
from trainer.errors import TrainingError
from trainer.models import MODELS


@pytest.mark.parametrize("name", ["yolox-nano", "ssd-efficientnet-lite0"])
def test_a_width_that_a_model_does_not_have_is_refused(name):
    sentence = f"alpha=0.5: {name} has no such width; expected 1. Leave alpha out, or choose another model."

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        base_weights.resolve("none", alpha=0.5, family=MODELS[name])


def test_a_width_that_a_model_has_is_taken():
    assert base_weights.resolve("none", alpha=0.5, family=MODELS["ssd-mobilenet-v2"]).alpha == 0.5
    assert base_weights.resolve("none", alpha=1.0, family=MODELS["yolox-nano"]).alpha == 1.0
