"""Versions of a model: which one a run makes, which one CVAT sees, and the way back."""

import json
import re

import pytest
from support.pipeline import write_function

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from preannotate.core.errors import LockedError
from preannotate.core.files import write_json
from preannotate.registry import deploy_script, publication, versions
from preannotate.registry.workspace import Workspace, WorkspaceError


@pytest.fixture
def home(tmp_path):
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def model(home):
    return home.model("boards")


def finish(model, number, shift=0):
    """A version that is built and proven."""
    version = model.version(number)
    write_function(version.function.parent, "boards", shift=shift)
    versions.record_version(version)
    return version


def test_a_new_version_for_new_inputs_and_the_same_for_the_same(model):
    first = versions.choose_version(model, "a", restart=False)
    assert (first.version.number, first.why) == (1, "version 1 is new")

    again = versions.choose_version(model, "a", restart=False)
    assert (again.version.number, again.why) == (1, "continuing version 1")

    finish(model, 1)
    done = versions.choose_version(model, "a", restart=False)
    assert (done.version.number, done.why) == (1, "nothing changed since version 1")
    assert versions.choose_version(model, "b", restart=False).version.number == 2
    assert versions.choose_version(model, "a", restart=False).version.number == 1


def test_a_restart_makes_a_new_one_and_the_same_command_goes_on_with_it(model):
    versions.choose_version(model, "a", restart=False)
    finish(model, 1)

    assert versions.choose_version(model, "a", restart=True).version.number == 2
    assert versions.choose_version(model, "a", restart=False).why == "continuing version 2"
    assert versions.choose_version(model, "a", restart=True).why == "continuing version 2"
    finish(model, 2)
    assert versions.choose_version(model, "a", restart=True).why == "version 3 is new"


def test_a_restart_throws_away_what_was_begun_otherwise(model):
    versions.choose_version(model, "a", restart=False)
    (model.version(1).path / "half").touch()

    assert versions.choose_version(model, "a", restart=True).why == "version 1 is new"
    assert not (model.version(1).path / "half").exists()


def test_the_previous_version_is_the_latest_finished_one_before(model):
    for number in (1, 2, 3, 5):
        finish(model, number)
    versions.choose_version(model, "x", restart=False)

    assert versions.previous_version(model, model.version(6)).number == 5
    assert versions.previous_version(model, model.version(5)).number == 3
    assert versions.previous_version(model, model.version(1)) is None


def test_the_record_of_a_version(model):
    versions.choose_version(model, "a", restart=False)
    record = finish(model, 1, shift=5).record()

    assert record.pop("created").startswith("20")
    assert record == {
        "format": 1,
        "number": 1,
        "model": "ssd-mobilenet-v2",
        "map50": 0.85,
        "mean_ap": 0.5,
        "labels": ["cat", "dog"],
        "images": {"train": 3, "validation": 1},
        "fingerprint": f"{5:064x}",
        "inputs": "a",
    }


def test_the_scores_of_masks_are_recorded_beside_those_of_boxes(model):
    version = finish(model, 1)
    assert version.mask_scores() == (None, None)
    path = version.function / "nuclio" / "parity.json"
    proof = json.loads(path.read_text())
    proof["scores"]["served"] |= {"mask_map50": 0.8, "mask_mean_ap": 0.45}
    path.write_text(json.dumps(proof))

    versions.record_version(version)

    assert version.scores() == (0.9, 0.5)
    assert version.mask_scores() == (0.8, 0.45)


def test_a_function_without_a_proof_is_no_version(model):
    finish(model, 1)
    path = model.version(1).function / "nuclio" / "parity.json"
    path.write_text('{"verdict": "failed"}')

    with pytest.raises(WorkspaceError) as caught:
        versions.record_version(model.version(1))

    assert str(caught.value) == (
        f"{path.parents[1]}: its check measured nothing; expected the proof of a built function. Run again with "
        "--restart."
    )


def test_publish_replaces_and_roll_back_goes_back(home, model):
    finish(model, 1, shift=1), finish(model, 2, shift=2), finish(model, 3, shift=3)
    for number in (1, 2, 2, 3):
        publication.publish(home, "boards", number)
        assert publication.is_published(home, model.version(number), "serve")
    assert not publication.is_published(home, model.version(3), "nuctl")
    assert not publication.is_published(home, model.version(2), "serve")

    assert publication.roll_back(home, "boards").number == 2
    assert '"SHIFT"' not in (home.functions / "boards/nuclio/model.json").read_text()
    assert "SHIFT = 2" in (home.functions / "boards/nuclio/runtime/engines/openvino.py").read_text()
    assert publication.was_withdrawn(model, 3)
    assert not publication.was_withdrawn(model, 1)
    assert [path.name for path in home.functions.iterdir()] == ["boards"]


def test_another_model_in_the_folder_is_seen(home, model):
    finish(model, 1, shift=1)
    publication.publish(home, "boards", 1)
    (home.functions / "boards/nuclio/function.yaml").write_text("changed by hand")
    assert publication.is_published(home, model.version(1), "serve")

    (home.functions / "boards/nuclio/model.json").unlink()

    assert not publication.is_published(home, model.version(1), "serve")


def test_unpublish_takes_it_away_and_keeps_the_versions(home, model):
    finish(model, 1)
    publication.publish(home, "boards", 1)
    publication.unpublish(home, "boards")

    assert publication.published(model) is None
    assert publication.was_withdrawn(model, 1)
    assert list(home.functions.iterdir()) == []
    assert publication.version_before(model) == 1
    with pytest.raises(WorkspaceError) as caught:
        publication.unpublish(home, "boards")
    assert str(caught.value) == (f"{model.path}: is not published; expected a published version. Publish one first.")


def test_a_deployment_that_fails_is_not_noted(home, model, monkeypatch):
    def fail(*arguments):
        raise WorkspaceError("no Docker; expected it.")

    monkeypatch.setattr(deploy_script, "run", fail)
    finish(model, 1)

    with pytest.raises(WorkspaceError, match="no Docker"):
        publication.publish(home, "boards", 1, deploy="nuctl")

    assert publication.history(model) == []


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("publish", "boards", "7"), "{model}: no finished version 7; expected one of: 1, 2."),
        (("publish", "bords", "1"), "{home}: no model 'bords'; expected one of: 'boards'. Train one: preannotate run."),
        (("rollback", "boards"), "{model}: no version was published before; expected one. Choose one: preannotate "
                                 "publish."),
        (("unpublish", "boards"), "{model}: is not published; expected a published version. Publish one first."),
    ],
)  # fmt: skip
def test_what_cannot_be_published(home, model, capsys, command, sentence):
    finish(model, 1), finish(model, 2)
    versions.choose_version(model, "x", restart=False)  # a third one, not finished

    assert main([*command, "--workspace", str(home.path)]) == COULD_NOT_RUN
    assert capsys.readouterr().err == f"error: {sentence.format(model=model.path, home=home.path)}\n"


def test_the_commands(home, model, capsys):
    finish(model, 1, shift=1), finish(model, 2, shift=2)

    def said(*command):
        assert main([*command, "--workspace", str(home.path)]) == 0
        return capsys.readouterr().out

    assert said("publish", "boards", "1") == "boards: version 1 is published\n"
    assert said("publish", "boards", "2") == "boards: version 2 is published\n"
    assert said("rollback", "boards") == "boards: version 1 is published again\n"
    assert said("unpublish", "boards") == "boards: is not published any more; its versions are kept\n"


def test_the_list(home, model, capsys):
    assert main(["versions", "--workspace", str(home.path)]) == 0
    assert capsys.readouterr().out == "no versions yet; create one: preannotate run\n"
    finish(model, 1, shift=1), finish(model, 2, shift=2)
    versions.choose_version(model, "x", restart=False)
    publication.publish(home, "boards", 2)
    for number in (1, 2):
        record = model.version(number).record()
        write_json(model.version(number).record_file, record | {"created": "2026-11-02T10:00:00+00:00"})

    assert main(["versions", "boards", "--workspace", str(home.path)]) == 0
    assert capsys.readouterr().out == (
        "MODEL   VERSION  CREATED           NETWORK           IMAGES  MAP50  MAP    STATE\n"
        "boards  1        2026-11-02 10:00  ssd-mobilenet-v2  3+1     0.890  0.500\n"
        "boards  2        2026-11-02 10:00  ssd-mobilenet-v2  3+1     0.880  0.500  published\n"
        "boards  3                                                                  not finished\n"
    )

    assert main(["versions", "--json", "--workspace", str(home.path)]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content[0]["published"] == 2
    assert [(one["number"], one["complete"]) for one in content[0]["versions"]] == [(1, True), (2, True), (3, False)]


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"map50": "0.9", "mean_ap": None, "images": 5, "created": 7, "model": None},
        {"map50": True, "mean_ap": float("nan")},
    ],
)
def test_a_record_without_scores_is_listed(home, model, capsys, damaged):
    finish(model, 1, shift=1)
    write_json(model.version(1).record_file, damaged)

    assert model.version(1).scores() == (None, None)
    assert main(["versions", "boards", "--workspace", str(home.path)]) == 0
    assert re.search(r"^boards +1 .*\?\+\? +not measured  not measured$", capsys.readouterr().out, re.MULTILINE)


def test_a_record_that_is_no_object_is_named(home, model, capsys):
    finish(model, 1, shift=1)
    file = model.version(1).record_file
    file.write_text("[1]")

    assert main(["versions", "boards", "--workspace", str(home.path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {file}: no JSON object; expected the record of a version. Remove the file.\n"
    )


def test_one_run_at_a_time(model, monkeypatch):
    monkeypatch.setattr("preannotate.registry.workspace.LOCK_SECONDS", 0.1)
    with model.locked(), pytest.raises(LockedError) as caught, model.locked():
        pass
    assert str(caught.value) == (
        f"{model.path}: another run works on this model; expected none. Wait for it, or stop it."
    )
    with model.locked():
        pass
