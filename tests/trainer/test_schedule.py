import pytest

from trainer.schedule import FINAL_FACTOR, WARM_UP, Schedule, ema_decay, is_closing, learning_rate


def test_the_rate_rises_then_falls_to_a_fiftieth():
    assert learning_rate(0.0, 1.0) == pytest.approx(0.01)
    assert learning_rate(WARM_UP / 2, 1.0) == pytest.approx(0.5)
    assert learning_rate(WARM_UP, 1.0) == pytest.approx(1.0)
    assert learning_rate(1.0, 1.0) == pytest.approx(FINAL_FACTOR)


def test_without_a_time_limit_steps_are_equal_parts():
    plan = Schedule(steps=12)
    progress, parts = 0.0, []
    for epoch in range(4):  # of three steps
        parts.append(plan.step_part(progress=progress, step=3 * epoch, steps_in_time=None))
        progress += 3 * parts[-1]

    assert parts == pytest.approx([1 / 12] * 4)
    assert progress == pytest.approx(1)


def test_with_a_limit_the_schedule_ends_with_the_time():
    # Five steps fit into what is left.
    assert Schedule(100, 60).step_part(progress=0.2, step=1, steps_in_time=5) == pytest.approx(0.8 / 5)
    assert Schedule(None, 60).step_part(progress=0.2, step=1, steps_in_time=5) == pytest.approx(0.8 / 5)
    assert Schedule(None, 60).step_part(progress=0.9, step=1, steps_in_time=0) == pytest.approx(0.1)


def test_progress_waits_until_the_speed_is_known():
    assert Schedule(None, 60).step_part(progress=0.2, step=1, steps_in_time=None) == 0
    assert Schedule(5, 60).step_part(progress=0.2, step=1, steps_in_time=None) == pytest.approx(0.8 / 4)


def test_time_to_spare_does_not_add_steps():
    assert Schedule(2, 1e6).step_part(progress=0.5, step=1, steps_in_time=10**6) == 0.5


def test_what_closes_early_is_as_long_as_it_would_have_been():
    plan = Schedule(None, 60)

    # 200 steps were half of the training: the last quarter takes 100, though 300 would fit.
    assert plan.step_part(progress=0.75, step=200, steps_in_time=300, least=0.5 / 200) == 0.0025
    assert plan.step_part(progress=0.75, step=200, steps_in_time=50, least=0.5 / 200) == 0.005


def test_only_a_time_limit_needs_new_plans_inside_an_epoch():
    assert [number for number in range(25) if Schedule(9).replans(number, 0.1)] == [0]
    assert [number for number in range(25) if Schedule(None, 60).replans(number, 0.1)] == [0, 10, 20]
    assert all(Schedule(None, 60).replans(number, 0.0) for number in range(25))


def test_the_average_forgets_quickly_at_first():
    assert ema_decay(0) == pytest.approx(0.1)
    assert ema_decay(90) == pytest.approx(0.91)


@pytest.mark.parametrize(("epochs", "closing"), [(1, 0), (2, 1), (3, 1), (4, 1), (6, 2), (8, 2), (30, 8), (100, 25)])
def test_the_last_quarter_is_the_closing_phase_in_whole_epochs(epochs, closing):
    """Of six epochs, the middle of the fifth lies at 4.5 / 6 = 0.75: where the phase begins."""
    plan = Schedule(3 * epochs)
    progress, found = 0.0, []
    for epoch in range(epochs):
        share = 3 * plan.step_part(progress=progress, step=3 * epoch, steps_in_time=None)
        found.append(is_closing(progress, share))
        progress += share

    assert found == [False] * (epochs - closing) + [True] * closing
