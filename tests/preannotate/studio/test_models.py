"""Models with their versions: what the page shows, what it can do, and that nothing leads out of the workspace."""

import os
import re
import shutil
from dataclasses import replace

import pytest
from support.functions import prove

from builder.errors import BuildError
from builder.function_directory import FunctionDirectory
from preannotate.core.errors import LockedError
from preannotate.core.files import write_json
from preannotate.diagnostics.directory import proof
from preannotate.diagnostics.finding import Severity
from preannotate.registry.workspace import WorkspaceError
from preannotate.studio.errors import StudioError
from preannotate.studio.models import Models
from runtime.errors import ManifestError
from runtime.manifest import Manifest

# What function.yaml calls the class "cat".
CAT = "Kätzchen & <co>"
FIGURES = {
    "images": 12, "boxes": 30,
    "scores": {"reference": {"map50": 0.93125, "mean_ap": 0.6}, "served": {"map50": 0.93, "mean_ap": 0.6}},
    "differences": {"served vs ir": {"detections": 40, "unmatched": 0, "beyond_tolerance": 1}},
}  # fmt: skip


@pytest.fixture
def models(workspace):
    return Models(workspace)


@pytest.fixture
def pets(workspace, function):
    """The model `pets` with two finished versions and one that is not."""
    model = workspace.model("pets")
    for number in (1, 2):
        version = model.version(number)
        shutil.copytree(function / "nuclio", version.function / "nuclio")
        prove(version.function / "nuclio", **FIGURES)
        version.run.mkdir(parents=True)
        (version.run / "report.html").write_text("<p>report</p>")
        (version.run / "overlays").mkdir()
        for name in ("b.jpg", "a.jpg"):
            (version.run / "overlays" / name).write_bytes(b"\xff\xd8\xff")
        images = {"train": 80, "validation": 12}
        record = {"number": number, "created": f"2026-11-2{number}T10:00:00+00:00", "map50": 0.9 + number / 100}
        write_json(version.record_file, record | {"mean_ap": 0.6, "model": "ssd-mobilenet-v2", "images": images})
    model.version(3).run.mkdir(parents=True)
    return model


def thresholds(directory):
    cut = Manifest.read(directory).postprocess
    return cut.threshold, cut.thresholds


def test_what_is_shown(models, pets):
    models.publish("pets", 1)
    (found,) = models.list()

    assert found == models.get("pets")
    assert [(one.number, one.complete, one.published, one.report) for one in found.versions] == [
        (3, False, False, False),
        (2, True, False, True),
        (1, True, True, True),
    ]
    assert found.versions[1].map50 == 0.92
    assert found.versions[1].images == {"train": 80, "validation": 12}
    assert (found.published, found.before, found.deploy, found.shown) == (1, None, "serve", 1)
    assert (found.labels, found.threshold, found.thresholds) == ((CAT, "dog"), 0.5, {CAT: 0.5, "dog": 0.5})
    assert found.parity.passed
    assert found.parity.facts == {
        "validation images": "12",
        "boxes on them": "30",
        "accuracy of the trained network": "mAP50 0.9313, mAP 0.6000",
        "accuracy of the function's answers": "mAP50 0.9300, mAP 0.6000",
        "served vs ir: detections that differ": "1 of 40",
    }


def test_the_newest_finished_version_is_shown_if_none_is_published(models, pets):
    found = models.get("pets")

    assert (found.published, found.shown, found.problem) == (None, 2, None)


def test_publish_roll_back_unpublish(models, pets, workspace):
    models.publish("pets", 1)
    models.publish("pets", 2)
    assert models.get("pets").before == 1
    models.roll_back("pets")
    assert models.get("pets").published == 1
    assert (workspace.functions / "pets" / "nuclio" / "model.json").is_file()
    models.unpublish("pets")
    assert models.get("pets").published is None
    assert not (workspace.functions / "pets").exists()

    with pytest.raises(WorkspaceError, match="is not published; expected a published version"):
        models.unpublish("pets")
    with pytest.raises(WorkspaceError, match="no finished version 3; expected one of: 1, 2"):
        models.publish("pets", 3)


def test_thresholds_change_in_the_version_and_in_what_is_published(models, pets, workspace):
    models.publish("pets", 2)
    copy, other = workspace.functions / "pets" / "nuclio", pets.version(1).function / "nuclio"
    before = FunctionDirectory(copy).change_mark
    models.set_threshold("pets", 2, 0.7)
    assert thresholds(pets.version(2).function / "nuclio") == (0.7, (0.7, 0.7))
    assert thresholds(copy) == (0.7, (0.7, 0.7))
    assert FunctionDirectory(copy).change_mark != before  # so `serve` sees it
    assert thresholds(other) == (0.5, (0.5, 0.5))

    models.set_threshold("pets", 2, {"dog": 0})
    assert thresholds(copy) == (0.7, (0.7, 0.0))
    models.set_threshold("pets", 1, {CAT: 1})
    assert thresholds(other) == (0.5, (1.0, 0.5))
    assert thresholds(copy) == (0.7, (0.7, 0.0))
    assert [path.name for path in copy.iterdir() if path.name.startswith(".")] == []


def test_the_proof_still_holds_after_a_change_of_thresholds(models, pets):
    directory = pets.version(2).function / "nuclio"
    models.set_threshold("pets", 2, 0.7)
    (finding,) = proof(directory)
    assert finding.severity == Severity.OK

    (directory / "main.py").write_text("")
    models.set_threshold("pets", 2, 0.8)  # does not hide it
    (finding,) = proof(directory)
    assert finding.where == "main.py"
    assert not models.get("pets").parity.passed


@pytest.mark.parametrize(
    ("version", "value", "sentence"),
    [
        (1, 1.5, "model 'pets', version 1: threshold 1.5; expected a number in [0, 1]."),
        (1, True, "model 'pets', version 1: threshold True; expected a number in [0, 1]."),
        (1, float("nan"), "model 'pets', version 1: threshold nan; expected a number in [0, 1]."),
        (1, {"dog": -1}, "model 'pets', version 1: label 'dog': threshold -1; expected a number in [0, 1]."),
        (1, {"cow": 0.5}, "model 'pets', version 1: no label 'cow'; expected one of: Kätzchen & <co>, dog."),
        (3, 0.5, "model 'pets': version 3 is not finished; expected one that is."),
        (9, 0.5, "model 'pets': no version 9; expected one of: 1, 2, 3."),
    ],
)
def test_thresholds_that_cannot_be(models, pets, version, value, sentence):
    with pytest.raises((StudioError, BuildError), match=f"^{re.escape(sentence)}$"):
        models.set_threshold("pets", version, value)
    assert thresholds(pets.version(1).function / "nuclio") == (0.5, (0.5, 0.5))


def test_thresholds_wait_for_nobody(models, pets):
    with pets.locked(), pytest.raises(LockedError, match="another run works on this model"):
        models.set_threshold("pets", 1, 0.7)


def test_report_and_pictures(models, pets):
    assert models.report_file("pets", 2).read_text() == "<p>report</p>"
    os.mkfifo(pets.version(2).run / "overlays" / "c.jpg")  # nobody may wait for a pipe
    assert [path.name for path in models.overlays("pets", 2)] == ["a.jpg", "b.jpg"]
    assert models.overlay("pets", 2, "a.jpg") == pets.version(2).run / "overlays" / "a.jpg"
    assert models.overlays("pets", 3) == []

    sentence = "model 'pets': no report of version 3; expected a version that is trained."
    with pytest.raises(StudioError, match=re.escape(sentence)):
        models.report_file("pets", 3)
    for name in ("../report.html", "c.jpg", "", "/etc/passwd"):
        sentence = f"model 'pets': no picture {name!r} of version 2; expected one of the list."
        with pytest.raises(StudioError, match=re.escape(sentence)):
            models.overlay("pets", 2, name)


@pytest.mark.parametrize("name", ["..", "../../etc", "", "pets/../pets", ".", "/etc"])
def test_names_that_lead_elsewhere(models, pets, name):
    for ask in (models.get, models.unpublish, models.roll_back, lambda name: models.overlays(name, 1)):
        with pytest.raises((WorkspaceError, RuntimeError)):
            ask(name)


def test_links_that_lead_out_of_the_workspace(models, pets, workspace, tmp_path):
    outside = tmp_path / "outside"
    (outside / "versions" / "1" / "run").mkdir(parents=True)
    (outside / "versions" / "1" / "run" / "report.html").write_text("secret")
    (workspace.path / "models" / "linked").symlink_to(outside)
    report = pets.version(1).run / "report.html"
    report.unlink()
    report.symlink_to(outside / "versions" / "1" / "run" / "report.html")
    picture = pets.version(1).run / "overlays" / "c.jpg"
    picture.symlink_to(outside)

    assert [model.name for model in models.list()] == ["pets"]
    for ask in (
        lambda: models.get("linked"),
        lambda: models.report_file("linked", 1),
        lambda: models.publish("linked", 1),
        lambda: models.report_file("pets", 1),
    ):
        with pytest.raises(StudioError, match="leads out of the workspace; expected a file in it"):
            ask()
    assert [path.name for path in models.overlays("pets", 1)] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    "file", ["published.json", "versions/2/version.json", "versions/2/function/pets/nuclio/model.json"]
)
def test_a_damaged_model_does_not_hide_the_others(models, pets, workspace, file):
    (workspace.model("cars").path).mkdir()
    (pets.path / file).write_text("{")
    cars, damaged = models.list()

    assert (cars.name, cars.versions, cars.problem) == ("cars", (), None)
    assert (damaged.name, damaged.versions) == ("pets", ())
    assert str(pets.path / file) in damaged.problem or "model.json" in damaged.problem


def test_a_proof_that_failed(models, pets):
    directory = FunctionDirectory(pets.version(2).function / "nuclio")
    directory.write_proof(replace(directory.proof(), problems=("ir: mAP50 0.5; expected more. Do not deploy it.",)))
    found = models.get("pets").parity

    assert not found.passed
    assert "(ir: mAP50 0.5; expected more. Do not deploy it.)" in found.facts["problem 1"]
    with pytest.raises(ManifestError):
        Manifest.read(pets.path)
