import json
import re
import shutil

import pytest
from support.functions import prove

from evaluation.corrections import CorrectionCosts
from preannotate.model_evaluation.report import ReportError, parse_costs, write_report
from runtime.manifest import Manifest
from tests.trainer.report.finished_run import write_run

BASE = CorrectionCosts()


@pytest.fixture
def trained(tmp_path):
    return write_run(tmp_path / "pets")


def write(trained, *, costs=None, output=None, function=None):
    return write_report(trained.path, costs=costs, output=output, function=function)


def refusal(sentence):
    return pytest.raises(ReportError, match=f"^{re.escape(sentence)}$")


def test_what_is_not_named_stays():
    assert parse_costs("draw=15, adjust = 6.5", BASE) == CorrectionCosts(draw=15, adjust=6.5)
    assert parse_costs("", BASE) == BASE


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "drow=3",
            "--costs: 'drow=3'; expected name=seconds with one of: draw, delete, adjust, relabel, check, draw_outline, "
            "adjust_outline. For example draw=25,delete=3.",
        ),
        ("delete=-1", "--costs: delete=-1; expected seconds from 0 to 3600."),
        ("delete=nan", "--costs: delete=nan; expected seconds from 0 to 3600."),
        ("delete=", "--costs: delete=; expected seconds from 0 to 3600."),
        ("draw=0", "--costs: draw=0; expected seconds above 0 and up to 3600."),
        ("draw_outline=0", "--costs: draw_outline=0; expected seconds above 0 and up to 3600."),
        ("draw=1e9", "--costs: draw=1e9; expected seconds above 0 and up to 3600."),
    ],
)
def test_impossible_seconds_are_refused(text, sentence):
    with refusal(sentence):
        parse_costs(text, BASE)


def test_the_page_is_written_into_the_run(trained, capsys):
    before = (trained.export / "model.json").read_bytes()

    assert write(trained) == 0

    assert capsys.readouterr().out == f"{trained.report}\n"
    assert "With this model an annotator needs" in trained.report.read_text()
    assert (trained.export / "model.json").read_bytes() == before


def test_the_page_can_go_elsewhere(trained, tmp_path):
    write(trained, output=tmp_path / "there.html")

    assert (tmp_path / "there.html").is_file() and not trained.report.exists()


def test_other_seconds_change_the_thresholds_and_the_runs_own_page_and_say_so(trained, tmp_path, capsys):
    write(trained, costs="draw=5,delete=30", output=tmp_path / "there.html")

    manifest = Manifest.read(trained.export)
    assert manifest.provenance["correction_costs"] == CorrectionCosts(draw=5, delete=30).to_json()
    chosen = ", ".join(
        f"{label} {value:.3f}" for label, value in zip(["cat", "dog"], manifest.postprocess.thresholds, strict=True)
    )
    assert capsys.readouterr().out.splitlines() == [
        f"{trained.export}: thresholds {chosen}",
        "functions built earlier keep their thresholds; to change them run: preannotate build --overwrite",
        str(trained.report),
        str(tmp_path / "there.html"),
    ]
    assert trained.report.read_text() == (tmp_path / "there.html").read_text()


def test_wrong_seconds_change_nothing(trained):
    before = {path: path.read_bytes() for path in trained.path.rglob("*.json")}

    with pytest.raises(ReportError):
        write(trained, costs="draw=0")

    assert {path: path.read_bytes() for path in trained.path.rglob("*.json")} == before


@pytest.fixture
def function(trained, tmp_path):
    """A directory with all that the page reads, and no network to measure."""
    directory = tmp_path / "functions" / "pets" / "nuclio"
    directory.mkdir(parents=True)
    (directory / "function.yaml").write_text("")
    shutil.copyfile(trained.export / "model.json", directory / "model.json")
    scores = {"reference": {"map50": 0.5, "mean_ap": 0.25}}
    prove(directory, images=6, boxes=18, scores=scores, differences={})
    return directory.parent


def test_a_functions_proof_is_shown(trained, function, capsys):
    write(trained, function=function)

    text = trained.report.read_text()
    assert "Function <strong>pets</strong>" in text and "network as trained" in text
    assert "not those of this page" not in text
    assert "note: speed not measured: " in capsys.readouterr().err


def test_a_function_that_is_older_than_the_thresholds_is_called_so(trained, function):
    write(trained, costs="draw=5,delete=30", function=function)

    assert "<strong>Its thresholds are not those of this page</strong>" in trained.report.read_text()


def test_a_function_of_another_run_is_refused(trained, function):
    content = json.loads((function / "nuclio" / "model.json").read_text())
    content["provenance"] |= {"created": "yesterday", "run": "horses"}
    (function / "nuclio" / "model.json").write_text(json.dumps(content))

    with refusal(
        f"{function}: built from run 'horses'; expected a function of {trained.path}. Name another, or build it again."
    ):
        write(trained, costs="draw=5", function=function)


def test_a_function_without_a_proof_is_refused(trained, function):
    path = function / "nuclio" / "parity.json"
    path.write_text('{"verdict": "failed"}')

    with refusal(
        f"parity.json: the verdict is 'failed' (The check failed.); expected 'passed'. "
        f"Run: preannotate check {path.parent}"
    ):
        write(trained, function=function)
