"""When it is time to train again: the decisions one by one, and what a watch keeps between restarts."""

import re

import pytest

from preannotate.core.errors import FileError
from preannotate.jobs import retrain_policy
from preannotate.jobs.errors import WatchError
from preannotate.jobs.retrain_policy import (
    ATTEMPTS,
    FailedRun,
    RetrainPolicy,
    WatchState,
    decide,
    jobs_polled,
    new_jobs,
    read_watch_state,
    write_watch_state,
)

POLICY = RetrainPolicy(new_jobs=2, quiet=300, every=600)
OLD, NEW, NEWER = "2026-11-02T10:00:00Z", "2026-11-02T11:00:00Z", "2026-11-02T12:00:00Z"


@pytest.mark.parametrize(
    ("trained", "now", "expected"),
    [
        ({}, {}, ()),
        ({}, {41: NEW, 40: OLD}, (40, 41)),
        ({40: OLD}, {40: OLD, 41: NEW}, (41,)),
        ({40: OLD}, {40: NEW}, (40,)),  # opened again, mended, completed again
        ({40: OLD, 41: NEW}, {40: OLD}, ()),  # deleted, or opened again
    ],
)
def test_jobs_are_new_if_they_are_completed_and_were_not_trained_on_as_they_are(trained, now, expected):
    assert new_jobs(trained, now) == expected


def test_too_few_jobs():
    state = jobs_polled(WatchState(trained={40: OLD}), {40: OLD, 41: NEW}, 1000)

    assert decide(state, POLICY, 5000) == retrain_policy.Decision(
        False, "1 newly completed job (41); training starts at 2", 600
    )


def test_nothing_new():
    assert decide(WatchState(), POLICY, 0).why == "no newly completed jobs; training starts at 2"


def test_it_waits_for_quiet_and_then_begins():
    state = jobs_polled(WatchState(), {40: OLD, 41: NEW}, 1000)

    assert decide(state, POLICY, 1100) == retrain_policy.Decision(
        False, "2 newly completed jobs (40, 41); waiting for more", 200
    )
    assert decide(state, POLICY, 1300) == retrain_policy.Decision(True, "2 newly completed jobs (40, 41)")


def test_each_change_begins_the_wait_anew_and_a_look_without_one_does_not():
    state = jobs_polled(WatchState(), {40: OLD, 41: NEW}, 1000)
    state = jobs_polled(state, {40: OLD, 41: NEW}, 1200)
    assert decide(state, POLICY, 1300).run

    state = jobs_polled(state, {40: OLD, 41: NEWER}, 1250)
    assert decide(state, POLICY, 1300).wait == 250


def test_a_clock_that_was_set_back_makes_nobody_wait_longer():
    state = jobs_polled(WatchState(), {40: OLD, 41: NEW}, 1_000_000)

    assert decide(state, POLICY, 0).wait == 300


def test_after_a_run_the_pull_says_what_was_trained_on():
    state = retrain_policy.run_started(jobs_polled(WatchState(), {40: OLD, 41: NEW}, 0))

    state = retrain_policy.run_done(state, version=1, pulled={40: OLD, 41: NEW, 42: NEWER})

    assert state == WatchState(version=1, trained={40: OLD, 41: NEW, 42: NEWER}, seen={40: OLD, 41: NEW})
    assert not decide(state, POLICY, 10_000).run


def test_without_a_pull_it_is_what_was_seen_when_the_run_began():
    state = retrain_policy.run_started(jobs_polled(WatchState(), {40: OLD}, 0))
    state = jobs_polled(state, {40: OLD, 41: NEW}, 100)

    assert retrain_policy.run_done(state, version=1, pulled=None).trained == {40: OLD}


def test_of_two_moments_the_later_one_was_trained_on():
    state = retrain_policy.run_started(jobs_polled(WatchState(), {40: NEW, 41: OLD}, 0))

    assert retrain_policy.run_done(state, version=1, pulled={40: OLD, 41: NEWER}).trained == {40: NEW, 41: NEWER}


def test_a_run_that_was_interrupted_is_begun_again_at_once():
    state = retrain_policy.run_started(jobs_polled(WatchState(), {40: OLD}, 0))

    assert decide(state, POLICY, 0) == retrain_policy.Decision(True, "the run before was interrupted")


def test_a_failed_run_is_not_repeated_until_something_changes():
    state = retrain_policy.run_failed(
        retrain_policy.run_started(jobs_polled(WatchState(), {40: OLD, 41: NEW}, 0)), 1000, retry=False
    )

    assert retrain_policy.is_given_up(state.failed)
    assert decide(state, POLICY, 99_999) == retrain_policy.Decision(
        False, "the run failed; waiting until something changes", 600
    )
    assert decide(jobs_polled(state, {40: OLD, 41: NEWER}, 99_999), POLICY, 100_299).run


def test_a_run_that_did_not_fail_in_its_training_is_tried_again_a_few_times():
    state = jobs_polled(WatchState(), {40: OLD, 41: NEW}, 0)
    for attempt in range(1, ATTEMPTS):
        state = retrain_policy.run_failed(retrain_policy.run_started(state), 1000, retry=True)
        assert not retrain_policy.is_given_up(state.failed)
        assert decide(state, POLICY, 1100) == retrain_policy.Decision(False, "the run failed; trying again", 500)
        assert decide(state, POLICY, 1600) == retrain_policy.Decision(True, f"attempt {attempt + 1} of {ATTEMPTS}")

    state = retrain_policy.run_failed(retrain_policy.run_started(state), 1000, retry=True)
    assert retrain_policy.is_given_up(state.failed)
    assert not decide(state, POLICY, 99_999).run


def test_attempts_with_other_jobs_are_counted_anew():
    state = retrain_policy.run_failed(
        retrain_policy.run_started(jobs_polled(WatchState(), {40: OLD}, 0)), 0, retry=True
    )
    state = retrain_policy.run_failed(retrain_policy.run_started(jobs_polled(state, {40: NEW}, 0)), 0, retry=True)

    assert state.failed.attempts == 1


def test_many_jobs_are_shortened():
    state = jobs_polled(WatchState(), dict.fromkeys(range(40, 60), OLD), 0)

    assert decide(state, POLICY, 300).why == (
        "20 newly completed jobs (40, 41, 42, 43, 44, 45, 46, 47, 48, 49 and 10 more)"
    )


def test_it_is_read_as_it_was_written(tmp_path):
    state = WatchState(3, {40: "a"}, {40: "a", 41: "b"}, 12.5, {41: "b"}, FailedRun({41: "b"}, 1.0, 2, True))
    write_watch_state(tmp_path / "watch.json", state)

    assert read_watch_state(tmp_path / "watch.json") == state


def test_there_is_none(tmp_path):
    assert read_watch_state(tmp_path / "watch.json") == WatchState()


@pytest.mark.parametrize("content", ["[]", '{"format": 2}', '{"format": 1, "version": 1}'])
def test_something_else(tmp_path, content):
    path = tmp_path / "watch.json"
    path.write_text(content)

    with pytest.raises(WatchError, match=re.escape(f"{path}: ")):
        read_watch_state(path)


def test_half_a_file(tmp_path):
    (tmp_path / "watch.json").write_text('{"format"')

    with pytest.raises(FileError, match="not JSON"):
        read_watch_state(tmp_path / "watch.json")
