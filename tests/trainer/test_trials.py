import json
import re
from pathlib import Path

import pytest

from preannotate.cli.main import parser
from preannotate.cli.train import training_request
from trainer import trials
from trainer.errors import TrainingError
from trainer.request import TrainingRequest
from trainer.run_directory import RunDirectory
from trainer.trials import TrialOptions


def finished(folder, name, mean_ap, *, masks=None, **asked):
    run = folder / name
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"overrides": asked}))
    boxes, of_masks = ({"mean_ap": one, "map50": one + 0.2} if one else None for one in (mean_ap, masks))
    (run / "summary.json").write_text(json.dumps({"validation": boxes, "decisive": of_masks or boxes}))


def test_trials_differ_by_seed():
    assert [trial.overrides for trial in trials.plan_trials(3, "", 7)] == [{"seed": 7}, {"seed": 8}, {"seed": 9}]
    assert trials.plan_trials(3, "", 7)[2].name == "trial-002"


def test_every_setting_is_tried_with_a_seed_before_the_next_seed():
    planned = trials.plan_trials(5, "alpha=0.5|1.0,freeze=0|3", 0)

    assert [tuple(trial.overrides.values()) for trial in planned] == [
        *((0.5, 0, 0), (0.5, 3, 0), (1.0, 0, 0), (1.0, 3, 0)),
        (0.5, 0, 1),
    ]


@pytest.mark.parametrize(
    ("count", "vary", "sentence"),
    [
        (0, "", "--trials: 0; expected a whole number from 1 to 100."),
        (2, "alpha=0.5|9", "--vary: alpha=9; expected one of 0.35, 0.5, 0.75, 1.0, 1.3, 1.4, or auto."),
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
    assert trials.describe_results(tmp_path, outcome).splitlines() == [
        "trial      mAP50  mAP    arguments",
        "trial-001  0.900  0.700  seed=1",
        "trial-000  0.700  0.500  seed=0",
        "not finished: trial-002",
        "mAP50 0.800 ± 0.100, mAP 0.600 ± 0.100 (mean and standard deviation over 2 trials)",
        trials.NOTE,
        f"next: preannotate build {tmp_path}/trial-001",
    ]


def test_settings_are_compared_by_the_mean_over_their_seeds(tmp_path):
    """The best single trial is of the worse setting."""
    for index, (freeze, seed, mean_ap) in enumerate([(0, 0, 0.2), (3, 0, 0.5), (0, 1, 0.7), (3, 1, 0.6)]):
        finished(tmp_path, f"trial-00{index}", mean_ap, epochs=4, freeze=freeze, seed=seed)

    outcome = trials.pick_best(tmp_path)

    assert outcome["best"] == "trial-002"
    assert [(setting["overrides"], setting["trials"]) for setting in outcome["settings"]] == [
        ({"epochs": 4, "freeze": 3}, 2),
        ({"epochs": 4, "freeze": 0}, 2),
    ]
    assert trials.describe_results(tmp_path, outcome).splitlines() == [
        "trial      mAP50  mAP    arguments",
        "trial-002  0.900  0.700  freeze=0, seed=1",
        "trial-003  0.800  0.600  freeze=3, seed=1",
        "trial-001  0.700  0.500  freeze=3, seed=0",
        "trial-000  0.400  0.200  freeze=0, seed=0",
        "arguments  trials  mAP50          mAP (means and standard deviations)",
        "freeze=3   2       0.750 ± 0.050  0.550 ± 0.050",
        "freeze=0   2       0.650 ± 0.250  0.450 ± 0.250",
        trials.NOTE,
        f"next: preannotate build {tmp_path}/trial-002",
    ]


def test_masks_decide_where_they_were_measured(tmp_path):
    finished(tmp_path, "trial-000", 0.7, masks=0.3, seed=0)
    finished(tmp_path, "trial-001", 0.5, masks=0.6, seed=1)

    rows = [trials._row(RunDirectory(tmp_path / name)) for name in ("trial-000", "trial-001")]
    assert [row["mean_ap"] for row in rows] == [0.3, 0.6]


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
    assert trials.share_of_machine(0, 1, 8, ["0", "1"]) == {}
    assert trials.share_of_machine(2, 3, 8, []) == {"TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "1"}
    assert trials.share_of_machine(2, 3, 8, ["4", "6"])["CUDA_VISIBLE_DEVICES"] == "4"


def test_gpus_are_those_that_may_be_seen(tmp_path):
    for name in ("nvidia1", "nvidia0", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()

    assert trials.list_gpus({}, tmp_path) == ["0", "1"]
    assert trials.list_gpus({"CUDA_VISIBLE_DEVICES": "3, 5"}, tmp_path) == ["3", "5"]
    assert trials.list_gpus({"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == []


@pytest.fixture
def request_for_trials(tmp_path):
    (tmp_path / "a.zip").touch()
    return TrainingRequest(exports=(tmp_path / "a.zip",), output=tmp_path / "many", overrides={"epochs": 3})


def test_more_at_a_time_than_the_machine_has_is_refused(request_for_trials, monkeypatch):
    monkeypatch.setattr(trials.processors, "cores", lambda: 2)
    monkeypatch.setattr(trials, "list_gpus", lambda environment: [])
    sentence = "--parallel: 3; expected from 1 to 2: this machine has cores or GPUs for no more."

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        trials.run_trials(request_for_trials, TrialOptions(3, parallel=3))


class FakeChild:
    """A training that ends at the second look at it."""

    def __init__(self, command, *, env, stdout, stderr, on_stderr):
        on_stderr("4 images")
        self.command, self.looks, self.stopped = command, 0, False
        STARTED.append(self)

    def wait(self, timeout):
        self.looks += 1
        if self.looks == 2:
            output = Path(self.command[self.command.index("--output") + 1])
            finished(output.parent, output.name, 0.5)
        return self.looks == 2

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopped = True


STARTED = []


@pytest.mark.parametrize("parallel", [1, 2])
def test_each_trial_is_a_process_of_its_own(request_for_trials, monkeypatch, parallel, capsys):
    STARTED.clear()
    monkeypatch.setattr(trials, "ChildProcess", FakeChild)
    monkeypatch.setattr(trials.processors, "cores", lambda: 2)
    results = trials.run_trials(request_for_trials, TrialOptions(3, "freeze=0|1", parallel=parallel))

    exports, folder = request_for_trials.exports, request_for_trials.output
    lines = [child.command[child.command.index("train") + 1 :] for child in STARTED]
    assert [training_request(parser().parse_args(["train", *line])) for line in lines] == [
        TrainingRequest(
            exports=exports,
            output=folder / f"trial-00{index}",
            overrides={"epochs": 3, "freeze": freeze, "seed": seed},
            continue_run=True,
        )
        for index, (freeze, seed) in enumerate([(0, 0), (1, 0), (0, 1)])
    ]
    assert len(results["trials"]) == 3 and results["unfinished"] == []
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == ["trial-000: begins, with freeze=0, seed=0", "trial-000: 4 images"]
    assert said[-1] == "trial-002: mAP50 0.700, mAP 0.500 on the validation images; 0 trials left"


def test_an_interruption_stops_all_trials(request_for_trials, monkeypatch):
    STARTED.clear()
    monkeypatch.setattr(trials, "ChildProcess", FakeChild)
    monkeypatch.setattr(trials.processors, "cores", lambda: 2)
    monkeypatch.setattr(FakeChild, "wait", lambda self, timeout: (_ for _ in ()).throw(KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt):
        trials.run_trials(request_for_trials, TrialOptions(3, parallel=2))
    assert [child.stopped for child in STARTED] == [True, True]


def test_a_trial_that_could_not_begin_is_told(tmp_path):
    finished(tmp_path, "trial-000", 0.5)

    assert trials.pick_best(tmp_path, expected=trials.plan_trials(2, "", 0))["unfinished"] == ["trial-001"]
