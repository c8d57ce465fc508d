"""From somebody else's file to a function that answers: the whole way, and what is refused on it."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation import ground_truth, reference
from preannotate.cli.main import main
from preannotate.formats import cvat_images
from preannotate.formats.outlines import Polygons
from preannotate.formats.records import Export, Frame, Shape
from runtime.manifest import Manifest

pytest.importorskip("openvino")
pytest.importorskip("onnx")

BUILDER_TESTS = Path(__file__).parents[2] / "builder"
SHARED = Path(os.environ.get("PREANNOTATE_SHARED", Path(__file__).parents[4] / "shared"))
FASTESTDET = SHARED / "weights" / "FastestDet.onnx"
RACCOONS = SHARED / "data" / "raccoon" / "images"
needs_fastestdet = pytest.mark.skipif(
    not (FASTESTDET.is_file() and RACCOONS.is_dir()),
    reason="PREANNOTATE_SHARED has no weights/FastestDet.onnx or no data/raccoon",
)


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


squares = load("squares", BUILDER_TESTS / "squares.py")
squares_onnx = load("squares_onnx", BUILDER_TESTS / "imports" / "squares_onnx.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """photos/ with images of squares, annotated/ with the same as an export, labels.txt and model.onnx."""
    folder = tmp_path_factory.mktemp("import")
    for name in ("photos", "annotated/images"):
        (folder / name).mkdir(parents=True)
    annotated = []
    for seed in range(6):
        image, truth = squares.draw(seed)
        for place in ("photos", "annotated/images"):
            image.save(folder / place / truth.name)
        boxes = zip(truth.class_ids, truth.boxes, strict=True)
        shapes = tuple(Shape(squares.LABELS[class_id], "box", corners, source="manual") for class_id, corners in boxes)
        annotated.append(Frame(truth.name, None, shapes, declared_size=truth.size))
    files = cvat_images.write(Export(tuple(squares.LABELS), tuple(annotated)))
    (folder / "annotated" / "annotations.xml").write_bytes(files["annotations.xml"])
    (folder / "labels.txt").write_text("\n".join(squares.LABELS), encoding="utf-8")
    squares_onnx.write("yolov8", folder / "Squares v8.onnx")
    return folder


def bring(folder, tmp_path, *options, model="Squares v8.onnx"):
    """Import into `tmp_path`/runs; gives the exit code."""
    words = [folder / model, "--labels", folder / "labels.txt", "--output", tmp_path / "runs", *options]
    return main(["import", *map(str, words)])


def said(capsys):
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["yolov8_seg", "mmdetection_masks", "torchvision_masks", "boxes_labels_masks"])
def test_a_network_with_masks_goes_the_whole_way(folder, tmp_path, capsys, layout):
    pytest.importorskip("nuclio_sdk")
    (tmp_path / "outlined").mkdir()
    frames = []
    for seed in range(6):
        image, truth = squares.draw(seed)
        image.save(tmp_path / "outlined" / truth.name)
        shapes = tuple(map(outlined, truth.class_ids, truth.boxes.tolist()))
        frames.append(Frame(truth.name, None, shapes, declared_size=truth.size))
    files = cvat_images.write(Export(tuple(squares.LABELS), tuple(frames)))
    (tmp_path / "outlined" / "annotations.xml").write_bytes(files["annotations.xml"])
    squares_onnx.write(layout, folder / f"{layout}.onnx")

    options = ["--proof-images", tmp_path / "outlined", "--name", "masks", "--json"]
    assert bring(folder, tmp_path, *options, model=f"{layout}.onnx") == 0
    assert json.loads(capsys.readouterr().out)["adapter"] == layout
    assert main(["build", str(tmp_path / "runs" / "masks"), "--output", str(tmp_path / "functions"), "--json"]) == 0
    built = json.loads(capsys.readouterr().out)

    assert built["verdict"] == "passed"
    assert {name: (one["map50"], one["mask_map50"]) for name, one in built["scores"].items()} == dict.fromkeys(
        ("reference", "ir_f32", "ir", "served"), (1.0, 1.0)
    )
    assert {name: one["median_mask_iou"] >= 0.99 for name, one in built["differences"].items()} == dict.fromkeys(
        ("ir_f32 vs reference", "ir vs reference", "served vs ir"), True
    )


def outlined(class_id, box):
    """All of a square but its lower right quarter, as a polygon."""
    x1, y1, x2, y2 = box
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    points = [x1, y1, x2, y1, x2, y, x, y, x, y2, x1, y2]
    return Shape(squares.LABELS[class_id], "polygon", tuple(box), source="manual", outline=Polygons.of([points]))


@pytest.mark.slow
def test_an_onnx_file_goes_the_whole_way(folder, tmp_path, capsys):
    pytest.importorskip("nuclio_sdk")
    options = ["--proof-images", folder / "annotated", "--licence", "MIT", "--origin", "https://example.org", "--json"]
    assert bring(folder, tmp_path, *options) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["adapter"], result["input_size"], result["scores"]["map50"]) == ("yolov8", [64, 48], 1.0)
    run = tmp_path / "runs" / "squares-v8"
    export = run / "export"
    assert sorted(path.name for path in export.iterdir()) == ["calibration", "ir", "model.json", "validation"]
    manifest = Manifest.read(export)
    assert manifest.labels == squares.LABELS
    assert manifest.postprocess.thresholds == (0.3, 0.3)  # chosen: all cost the same; the adapter's is 0.25
    about = manifest.provenance["imported"]
    assert (about["file"], about["licence"], about["origin"]) == ("Squares v8.onnx", "MIT", "https://example.org")

    assert main(["build", str(run), "--output", str(tmp_path / "functions"), "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert built["verdict"] == "passed"
    assert set(built["scores"]) == {"reference", "ir_f32", "ir", "served"}
    assert built["reference"] == about["reference"]
    assert built["notes"] == ["The function has no GPU variant."]
    function = tmp_path / "functions" / "squares-v8"
    assert not (function / "nuclio" / "function-gpu.yaml").exists()
    assert 'preannotate.map50: "1.0000"' in (function / "nuclio" / "function.yaml").read_text("utf-8")
    assert main(["check", str(function), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differences"] == built["differences"]

    assert main(["annotate", str(function), str(folder / "photos"), "--workers", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["images"]
    assert [len(image["detections"]) for image in found] == [3] * 6
    assert main(["report", str(run)]) == 2
    assert said(capsys) == (
        f"error: {run}: no metrics.csv; expected a run that was trained here. An imported model has no report: build "
        "it, and see its parity.json."
    )
    for model in (run, function):
        assert main(["evaluate", str(model), str(folder / "annotated"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["map50"] == 1.0


@pytest.fixture(scope="module")
def saved_model(folder):
    """A SavedModel of the Object Detection API."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    script = BUILDER_TESTS / "imports" / "squares_odapi.py"
    words = [sys.executable, str(script), str(folder / "od" / "saved_model"), str(folder / "writes" / "saved_model")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return "od"


@pytest.mark.slow
def test_a_saved_model_goes_the_whole_way_and_has_both_variants(folder, saved_model, tmp_path, capsys):
    pytest.importorskip("nuclio_sdk")
    options = ["--proof-images", folder / "annotated", "--image-size", "64x48", "--name", "found-squares"]
    assert bring(folder, tmp_path, *options, model=saved_model) == 0
    assert "adapter odapi, 2 classes, input 64x48" in capsys.readouterr().out
    run = tmp_path / "runs" / "found-squares"
    assert main(["build", str(run), "--output", str(tmp_path / "functions"), "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert {name: figures["map50"] for name, figures in built["scores"].items()} == dict.fromkeys(
        ("reference", "ir_f32", "ir", "served", "saved_model", "served_gpu"), 1.0
    )
    assert all(figures["detections"] == 18 for figures in built["differences"].values())
    assert (tmp_path / "functions" / "found-squares" / "nuclio" / "function-gpu.yaml").is_file()
    assert not (tmp_path / "functions" / "found-squares" / "validation" / "saved_model").exists()


@pytest.mark.slow
def test_a_saved_model_answers_with_the_chosen_label_alone(folder, saved_model, tmp_path, capsys):
    pytest.importorskip("nuclio_sdk")
    options = ["--proof-images", folder / "photos", "--image-size", "64x48", "--name", "stops"]
    choice = ["--only", squares.LABELS[0], "--rename", f"{squares.LABELS[0]}=stop"]
    assert bring(folder, tmp_path, *options, *choice, model=saved_model) == 0
    run = tmp_path / "runs" / "stops"
    assert Manifest.read(run / "export").labels == ("stop",)
    capsys.readouterr()
    assert main(["build", str(run), "--output", str(tmp_path / "functions"), "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert built["verdict"] == "passed"
    assert {figures["detections"] for figures in built["differences"].values()} == {12}  # two of three squares are red


@pytest.mark.slow
def test_a_saved_model_that_writes_files_is_not_even_loaded(folder, saved_model, tmp_path, capsys):
    assert bring(folder, tmp_path, "--proof-images", folder / "photos", "--image-size", "64x48", model="writes") == 2
    assert said(capsys) == (
        f"error: {folder / 'writes'}: the graph has operations that no detector needs: WriteFile; expected arithmetic "
        "only. Export to ONNX: docs/importing.md#what-the-outputs-mean."
    )
    assert not Path("/tmp/preannotate-was-here").exists()
    assert bring(folder, tmp_path, "--proof-images", folder / "photos", model=saved_model) == 2
    assert said(capsys) == (
        f"error: {folder / 'od'}: input input_tensor (1, None, None, 3) uint8, which leaves the size open; expected "
        "one size. Give it with --image-size."
    )


@pytest.mark.slow
def test_without_annotations_the_accuracy_is_said_to_be_unknown(folder, tmp_path, capsys):
    pytest.importorskip("nuclio_sdk")
    assert bring(folder, tmp_path, "--proof-images", folder / "photos", "--name", "plain") == 0
    out = capsys.readouterr().out
    assert "18 detections on 6 images without annotations; accuracy was not measured, threshold 0.25." in out
    run = tmp_path / "runs" / "plain"
    assert main(["build", str(run), "--output", str(tmp_path / "functions")]) == 0
    words = capsys.readouterr().out
    assert "  note: No image is annotated: accuracy was not measured." in words
    assert "on 6 frozen images with 0 annotated boxes" in words
    assert "map50" not in (tmp_path / "functions" / "plain" / "nuclio" / "function.yaml").read_text("utf-8")


@pytest.mark.slow
@needs_fastestdet
def test_fastestdet_finds_an_animal_where_one_is(folder, tmp_path, capsys):
    labels = tmp_path / "coco.txt"
    labels.write_text("\n".join(f"class {number}" for number in range(80)))
    photos = [RACCOONS / f"raccoon-{number}.jpg" for number in (1, 9, 12)]
    words = [FASTESTDET, "--labels", labels, "--output", tmp_path, "--proof-images", *photos]
    assert main(["import", *map(str, words)]) == 0
    validation = tmp_path / "fastestdet" / "export" / "validation"
    found = reference.read(validation, [f"class {number}" for number in range(80)]).detections
    for items, expected in zip(found, ([82, 86, 566, 392], [6, 0, 347, 477], [30, 25, 232, 190]), strict=True):
        assert items[0].class_id == 15  # COCO's cat
        assert items[0].score > 0.8
        np.testing.assert_allclose(items[0].box, expected, atol=1)
    assert [image.name for image in ground_truth.read(validation).images] == [photo.name for photo in photos]


@pytest.mark.slow
def test_nothing_found_proves_nothing(folder, tmp_path, capsys):
    Image.new("RGB", (64, 48), (128, 128, 128)).save(tmp_path / "grey.png")
    assert bring(folder, tmp_path, "--proof-images", tmp_path / "grey.png") == 2
    assert said(capsys) == (
        f"error: {folder / 'Squares v8.onnx'}: found nothing on the 1 images; expected detections to compare. Give "
        "photos of its classes with --proof-images, and check --channels, --mean and --scale."
    )
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--image-size", "640"], "--image-size: '640'; expected WIDTHxHEIGHT in pixels, as in 640x640."),
        (["--mean", "1,2"], "--mean: '1,2'; expected one number, or three with commas between them."),
        (["--scale", "nan"], "--scale: 'nan'; expected one number, or three with commas between them."),
        (["--scale", "0"], "--scale: '0'; expected numbers other than 0."),
    ],
)
def test_impossible_options(folder, tmp_path, capsys, options, sentence):
    with pytest.raises(SystemExit) as end:
        bring(folder, tmp_path, *options)
    assert end.value.code == 2
    assert said(capsys) == f"preannotate import: error: argument {sentence}"
    assert not (tmp_path / "runs").exists()


def test_an_impossible_name(folder, tmp_path, capsys):
    assert bring(folder, tmp_path, "--name", "My Model") == 2
    assert said(capsys) == (
        "error: --name: 'My Model'; expected 1 to 52 lower-case letters, digits and hyphens, with no hyphen at either "
        "end. Choose another name."
    )
    assert not (tmp_path / "runs").exists()


def test_an_unknown_adapter_is_answered_with_the_choices(folder, tmp_path, capsys):
    assert bring(folder, tmp_path, "--proof-images", folder / "photos", "--adapter", "yolo") == 2
    assert said(capsys) == (
        "error: --adapter: unknown adapter 'yolo'; expected one such as yolox, yolov8, yolov6. "
        "See docs/importing.md#what-the-outputs-mean."
    )


def test_an_earlier_import_is_not_replaced_unasked(folder, tmp_path, capsys):
    export = tmp_path / "runs" / "squares-v8" / "export"
    export.mkdir(parents=True)
    assert bring(folder, tmp_path, "--proof-images", folder / "photos") == 2
    assert said(capsys) == f"error: {export}: exists; expected a new directory. Pass --overwrite to replace it."
