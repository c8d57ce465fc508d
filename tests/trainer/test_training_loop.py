import pytest

from trainer.training_loop import standard_error


def test_few_boxes_tell_little_apart():
    # A proportion of 0.5 on 25 boxes: sqrt(0.25 / 25).
    assert standard_error(0.5, 25) == pytest.approx(0.1)
    assert standard_error(0.5, 2500) == pytest.approx(0.01)


def test_perfect_and_empty_validation_have_no_spread():
    assert standard_error(1.0, 10) == 0
    assert standard_error(0.0, 0) == 0
