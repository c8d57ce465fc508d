import json
import re

import pytest

from trainer import trials
from trainer.errors import TrainingError


def finished(folder, name, mean_ap, **asked):
    run = folder / name
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"asked": asked}))
    (run / "summary.json").write_text(json.dumps({"validation": {"mean_ap": mean_ap, "map50": mean_ap + 0.2}}))


def test_trials_differ_by_seed():
    assert [trial.asked for trial in trials.plan_trials(3, "", 7)] == [{"seed": 7}, {"seed": 8}, {"seed": 9}]
    assert trials.plan_trials(3, "", 7)[2].name == "trial-002"


def test_every_setting_is_tried_with_a_seed_before_the_next_seed():
    planned = trials.plan_trials(5, "alpha=0.5|1.0,freeze=0|3", 0)

    assert [tuple(trial.asked.values()) for trial in planned] == [
        *((0.5, 0, 0), (0.5, 3, 0), (1.0, 0, 0), (1.0, 3, 0)),
        (0.5, 0, 1),
    ]


@pytest.mark.parametrize(
    ("count", "vary", "sentence"),
    [
        (0, "", "--trials: 0; expected a whole number from 1 to 100."),
        (2, "alpha=0.5|9", "--vary: alpha=9; expected one of 0.35, 0.5, 0.75, 1.0, 1.3, 1.4 (0: chosen)."),
        (2, "seed=1|2", "--vary: seed; expected other arguments. Trials with the same settings differ by seed anyway."),
    ],
)
def test_impossible_trials_are_refused(count, vary, sentence):
    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        trials.plan_trials(count, vary, 0)


def test_the_best_is_picked_and_all_are_told(tmp_path):
    finished(tmp_path, "trial-000", 0.5, seed=0)
    finished(tmp_path, "trial-001", 0.7, seed=1)
    (tmp_path / "trial-002").mkdir()

    outcome = trials.pick_best(tmp_path)

    assert outcome["best"] == "trial-001"
    assert [row["run"] for row in outcome["trials"]] == ["trial-001", "trial-000"]
    assert outcome["unfinished"] == ["trial-002"]
    assert outcome["mean_ap"] == {"mean": pytest.approx(0.6), "deviation": pytest.approx(0.1)}
    assert json.loads((tmp_path / "trials.json").read_text()) == outcome
    assert trials.describe(tmp_path, outcome).splitlines() == [
        "trial       mAP    mAP50  asked",
        "trial-001   0.700  0.900  seed=1",
        "trial-000   0.500  0.700  seed=0",
        "not finished: trial-002",
        "mAP 0.600 ± 0.100 (mean and standard deviation over trials)",
        trials.NOTE,
        f"next: preannotate build {tmp_path}/trial-001",
    ]


def test_of_equals_the_first_is_the_best(tmp_path):
    for name in ("trial-001", "trial-000"):
        finished(tmp_path, name, 0.5)

    assert trials.pick_best(tmp_path)["best"] == "trial-000"


def test_nothing_to_pick_is_refused(tmp_path):
    sentence = f"{tmp_path}: no finished trial; expected at least one. Look at log.txt in its folders."

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        trials.pick_best(tmp_path)


def test_a_damaged_trial_is_named(tmp_path):
    finished(tmp_path, "trial-000", 0.5)
    (tmp_path / "trial-000" / "summary.json").write_text("{}")
    sentence = f"{tmp_path}/trial-000: 'validation'; expected a finished run. Delete the folder or train it again."

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        trials.pick_best(tmp_path)


def test_parallel_trials_share_cores_and_gpus():
    assert trials.share(0, 1, 8, ["0", "1"]) == {}
    assert trials.share(2, 3, 8, []) == {"TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "1"}
    assert trials.share(2, 3, 8, ["4", "6"])["CUDA_VISIBLE_DEVICES"] == "4"


def test_gpus_are_those_that_may_be_seen(tmp_path):
    for name in ("nvidia1", "nvidia0", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()

    assert trials.gpus({}, tmp_path) == ["0", "1"]
    assert trials.gpus({"CUDA_VISIBLE_DEVICES": "3, 5"}, tmp_path) == ["3", "5"]
    assert trials.gpus({"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == []


def test_more_at_a_time_than_the_machine_has_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(trials.processors, "cores", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    sentence = "--parallel: 3; expected from 1 to 2: this machine has cores or GPUs for no more."

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        trials.run_all(trials.plan_trials(3, "", 0), [], tmp_path, parallel=3)


def test_each_trial_is_a_process_of_its_own(tmp_path, monkeypatch):
    calls = []

    def run(command, *, env, **_):
        calls.append(command[4:])
        finished(tmp_path, f"trial-00{command[-1]}", 0.5)

    monkeypatch.setattr(trials.child_process, "run", run)
    outcome = trials.run_all(trials.plan_trials(2, "", 0), ["a.zip", "--trials", "2"], tmp_path, parallel=1)

    assert calls == [["preannotate", "train", "a.zip", "--trials", "2", "--trial", index] for index in "01"]
    assert len(outcome["trials"]) == 2


def test_a_trial_that_could_not_begin_is_told(tmp_path):
    finished(tmp_path, "trial-000", 0.5)

    assert trials.pick_best(tmp_path, expected=trials.plan_trials(2, "", 0))["unfinished"] == ["trial-001"]
