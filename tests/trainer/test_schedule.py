import pytest

from trainer.schedule import FINAL_FACTOR, WARM_UP, Schedule, ema_decay, is_closing, learning_rate


def test_the_rate_rises_then_falls_to_a_fiftieth():
    assert learning_rate(0.0, 1.0) == pytest.approx(0.01)
    assert learning_rate(WARM_UP / 2, 1.0) == pytest.approx(0.5)
    assert learning_rate(WARM_UP, 1.0) == pytest.approx(1.0)
    assert learning_rate(1.0, 1.0) == pytest.approx(FINAL_FACTOR)


def test_without_a_limit_epochs_are_equal_parts():
    plan = Schedule(epochs=4)
    progress, shares = 0.0, []
    for epoch in range(4):
        share = plan.epoch_share(epoch=epoch, progress=progress, spent=0, epoch_seconds=99)
        progress += share
        shares.append(share)

    assert shares == pytest.approx([0.25] * 4)


def test_with_a_limit_the_schedule_ends_with_the_time():
    plan = Schedule(epochs=100, max_seconds=60)

    # 50 s are left, an epoch takes 10 s: five epochs share what is left.
    assert plan.epoch_share(epoch=1, progress=0.2, spent=10, epoch_seconds=10) == pytest.approx(0.8 / 5)
    assert plan.epoch_share(epoch=5, progress=0.9, spent=55, epoch_seconds=10) == pytest.approx(0.1)


def test_time_to_spare_does_not_add_epochs():
    assert Schedule(epochs=2, max_seconds=1e6).epoch_share(epoch=1, progress=0.5, spent=1, epoch_seconds=1) == 0.5


def test_the_average_forgets_quickly_at_first():
    assert ema_decay(0) == pytest.approx(0.1)
    assert ema_decay(90) == pytest.approx(0.91)


def test_no_epoch_is_begun_that_would_end_too_late():
    assert Schedule(epochs=9, max_seconds=60).is_over(spent=51, epoch_seconds=10)
    assert not Schedule(epochs=9, max_seconds=60).is_over(spent=50, epoch_seconds=10)
    assert not Schedule(epochs=9).is_over(spent=1e9, epoch_seconds=10)


@pytest.mark.parametrize(("epochs", "closing"), [(1, 0), (2, 1), (3, 1), (4, 1), (6, 2), (8, 2), (30, 8), (100, 25)])
def test_the_last_quarter_is_the_closing_phase_in_whole_epochs(epochs, closing):
    """Of six epochs, the middle of the fifth lies at 4.5 / 6 = 0.75: where the phase begins."""
    plan = Schedule(epochs)
    progress, found = 0.0, []
    for epoch in range(epochs):
        share = plan.epoch_share(epoch=epoch, progress=progress, spent=0, epoch_seconds=None)
        found.append(is_closing(progress, share))
        progress += share

    assert found == [False] * (epochs - closing) + [True] * closing
