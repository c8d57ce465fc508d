"""From a file to a version of a model in the workspace."""

import json

import pytest
from PIL import Image

from builder.errors import BuildError
from builder.function_directory import FunctionDirectory
from builder.imports.label_choice import LabelChoice
from preannotate import model_import
from preannotate.model_catalogue import files
from preannotate.model_catalogue.install import choice_of, install
from preannotate.registry import publication
from preannotate.registry.workspace import Workspace
from preannotate.studio.models import Models


@pytest.fixture
def file(network, model, tmp_path, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", str(tmp_path / "weights"))
    return files.bring(model, network)[0]


@pytest.fixture
def photos(squares, tmp_path):
    """Without annotations."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(2):
        squares.draw(seed)[0].save(folder / f"{seed}.png")
    return folder


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "work")


def test_a_file_becomes_a_version_that_is_published(file, model, photos, workspace):
    installed = install(workspace, model, file, proof_images=[photos])

    assert (installed.version.number, installed.published, installed.new) == (1, 1, True)
    assert installed.labels == ("red", "blue")
    assert FunctionDirectory.open(workspace.functions / "squares").proof_problems() == []
    record = installed.version.record()
    assert (record["model"], record["map50"], record["mean_ap"]) == ("yolox", None, None)  # nothing was annotated
    about = FunctionDirectory.open(installed.version.function).manifest.provenance["imported"]
    assert about["licence"] == "BSD-3-Clause"
    assert about["origin"] == "Squares, https://github.com/dog-qiuqiu/FastestDet, squares.onnx"
    assert about["accuracy"] == "mAP 99 on squares"
    [shown] = Models(workspace).list()
    assert (shown.name, shown.published, shown.labels, shown.problem) == ("squares", 1, ("red", "blue"), None)
    assert "agreement of OpenVINO" in shown.parity.facts
    assert "accuracy of OpenVINO" not in shown.parity.facts
    assert "not measured" in publication.versions_as_table(workspace.models())

    again = install(workspace, model, file, proof_images=[photos])
    assert (again.version.number, again.published, again.new) == (1, 1, False)
    publication.unpublish(workspace, "squares")
    assert install(workspace, model, file, proof_images=[photos]).published == 1


def test_it_answers_with_chosen_labels_though_no_image_of_the_proof_shows_them(
    file, model, squares, workspace, tmp_path, monkeypatch
):
    def red_squares(destination, count, seed):
        (destination / "images").mkdir(parents=True)
        for number in range(2):
            image = squares.draw(number)[0]
            pixels = image.load()
            for x in range(image.width):
                for y in range(image.height):
                    if pixels[x, y] == squares.COLOURS[1]:
                        pixels[x, y] = (120, 120, 120)
            image.save(destination / "images" / f"{number}.png")
        return destination

    monkeypatch.setattr(model_import, "write_export", red_squares)
    steps = []
    choice = LabelChoice(("blue",), {"blue": "sky"})
    installed = install(workspace, model, file, name="skies", choice=choice, progress=steps.append)

    assert steps[0] == "Verifying the whole network, with all 2 labels"
    assert installed.labels == ("sky",)
    [note] = [note for note in installed.proof.notes if note.startswith("Its labels are")]
    assert note.startswith("Its labels are 1 of 2. The whole network was compared on the same images before the others")
    function = FunctionDirectory.open(workspace.functions / "skies")
    about = function.manifest.provenance["imported"]
    assert (about["labels_of_network"], about["renamed"]) == (2, {"blue": "sky"})
    assert about["whole_network"]["labels"] == 2
    assert about["whole_network"]["detections"] > 0
    assert about["whole_network"]["unmatched"] == 0
    # And it does find blue squares, and no others.
    from preannotate.inference.function_process import FunctionPool
    from preannotate.inference.images import ImageFile

    image, truth = squares.draw(7)
    image.save(tmp_path / "7.png")
    with FunctionPool(function.path, 1) as pool:
        [found] = pool.map([ImageFile(tmp_path / "7.png", "7")], None, lambda _, result: result)
    blue = [box.tolist() for box, class_id in zip(truth.boxes, truth.class_ids, strict=True) if class_id == 1]
    assert [one.label for one in found.detections] == ["sky"] * len(blue)
    assert sorted([round(side) for side in one.box] for one in found.detections) == sorted(blue)


def test_a_version_that_people_published_stays(file, model, photos, workspace):
    install(workspace, model, file, proof_images=[photos])
    installed = install(workspace, model, file, choice=LabelChoice(renamed={"red": "stop"}), proof_images=[photos])

    assert (installed.version.number, installed.published) == (2, 1)
    assert installed.labels == ("stop", "blue")


def test_one_that_fails_leaves_no_empty_model(file, model, tmp_path, workspace):
    grey = tmp_path / "grey"
    grey.mkdir()
    Image.new("RGB", (64, 48), (120, 120, 120)).save(grey / "0.png")

    with pytest.raises(BuildError, match="found nothing on the 1 images; expected detections to compare"):
        install(workspace, model, file, proof_images=[grey])
    assert workspace.models() == []
    with pytest.raises(BuildError, match="expected 1 to 52 lower-case letters"):
        install(workspace, model, file, name="../../etc")


def test_a_choice_is_checked_before_anything_is_done(model):
    with pytest.raises(BuildError, match="'green' is none of the model's 2 labels"):
        choice_of(model, LabelChoice(("green",)))
    assert choice_of(model, LabelChoice()) == LabelChoice()
    assert json.dumps(choice_of(model, LabelChoice(("blue",))).only) == '["blue"]'
