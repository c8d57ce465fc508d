import html
import json

from evaluation.corrections import CorrectionCosts
from runtime.manifest import Manifest
from tests.trainer.report.finished_run import at, found, write_run
from trainer.report import change_costs
from trainer.report.facts import RunFacts
from trainer.report.page import render

LABELS = ("cat", "dog")


def doubtful(tmp_path):
    """One dog of three is found only at 0.3, where as many false boxes come with it."""
    sure = [found(LABELS, 0, at(10)), found(LABELS, 1, at(60)), found(LABELS, 1, at(110), 0.3)]
    return write_run(tmp_path / "pets", LABELS, detections=[[*sure, found(LABELS, 1, at(170), 0.35)]] * 6)


def test_the_thresholds_follow_the_seconds(tmp_path):
    run = doubtful(tmp_path)

    generous = change_costs(run, CorrectionCosts(draw=60, delete=1))[1]
    strict = change_costs(run, CorrectionCosts(draw=5, delete=30))[1]

    assert generous < 0.3 and strict > 0.35


def test_the_suppression_follows_the_seconds_with_the_thresholds(tmp_path):
    """A cat and a dog are found as each other at their places, too; where nothing is lost by it, the second goes."""
    doubtful = [
        *(found(LABELS, 0, at(10), 0.53), found(LABELS, 1, at(10), 0.49), found(LABELS, 1, at(60), 0.48)),
        *(found(LABELS, 0, at(60), 0.46), found(LABELS, 1, at(110))),
    ]
    run = write_run(tmp_path / "pets", LABELS, detections=[doubtful] * 6)

    change_costs(run, CorrectionCosts())

    manifest = Manifest.read(run.export)
    assert manifest.postprocess.agnostic_iou_threshold == 0.8
    why = manifest.provenance["class_agnostic_suppression"]["why"]
    assert why.endswith("only the best is shown: 32 s of corrections on the validation images, 61 s with all of them.")
    assert why in html.unescape(render(RunFacts.read(run)))

    change_costs(run, CorrectionCosts(delete=0, check=0))

    assert Manifest.read(run.export).postprocess.agnostic_iou_threshold is None


def test_all_that_tells_of_thresholds_is_rewritten(tmp_path):
    run = doubtful(tmp_path)
    before = Manifest.read(run.export)
    costs = CorrectionCosts(draw=5, delete=30)

    chosen = change_costs(run, costs)

    after = Manifest.read(run.export)
    assert after.postprocess.thresholds == chosen != before.postprocess.thresholds
    assert after.provenance["correction_costs"] == costs.to_json()
    assert {key: after.provenance[key] for key in ("created", "run", "dataset")} == {
        key: before.provenance[key] for key in ("created", "run", "dataset")
    }
    assert RunFacts.read(run).costs == costs
    assert json.loads(run.summary.read_text())["thresholds"] == dict(zip(LABELS, chosen, strict=True))
    assert len(list(run.overlays.iterdir())) == 6
    assert [path.name for path in run.export.iterdir() if path.name.startswith(".")] == []
