import json

import pytest
from PIL import Image
from support import annotation_exports

from preannotate.cli.main import main
from preannotate.core.errors import FileError
from trainer.inspection import inspect_exports

SHAPES = (
    annotation_exports.cvat_box("cat", (2, 3, 30.25, 40))
    + annotation_exports.cvat_box("dog", (10, 5, 50, 45), 'source="auto"')
    + annotation_exports.cvat_box("cat", (20, 20, 20.2, 20.2))
)


@pytest.fixture
def export(tmp_path):
    return write_export(tmp_path / "export")


def write_export(folder):
    """One picture with a box, an automatic box and a degenerate one; one without annotations."""
    for name in ("a.png", "b.png"):
        annotation_exports.draw(folder / "images" / name, (60, 50), "green" if name == "a.png" else "navy")
    meta = annotation_exports.cvat_meta(labels=("cat", "dog"), size=2)
    annotation_exports.write_text(
        folder / "annotations.xml",
        f'<annotations><version>1.1</version>{meta}<image id="0" name="a.png" width="60" height="50">{SHAPES}</image>'
        '<image id="1" name="b.png" width="60" height="50"></image></annotations>',
    )
    return folder


def test_json_has_what_would_be_learnt_and_what_was_left_out(export, capsys):
    assert main(["inspect", str(export), "--json"]) == 0

    content = json.loads(capsys.readouterr().out)
    assert content["labels"] == ["cat"]
    assert content["images"] == [
        {
            "name": "a.png",
            "width": 60,
            "height": 50,
            "boxes": [{"label": "cat", "box": [2, 3, 30.25, 40]}],
            "ignored": [[10, 5, 50, 45], [19.6, 19.6, 20.6, 20.6]],
        }
    ]
    left_out = {row["reason"]: row for row in content["left_out"]}
    assert left_out["automatic"]["count"] == 1
    assert left_out["image without annotations"] == {
        "reason": "image without annotations",
        "count": 1,
        "examples": ["b.png"],
    }
    assert len(left_out) == 3
    assert content["unused_labels"] == ["dog"]
    assert content["problem"].startswith("export: 1 usable image of 2; expected at least 10.")


def test_text_has_a_line_for_each_image_before_the_summary(export, capsys):
    assert main(["inspect", str(export), "--negatives"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "a.png 60x50: cat 2,3,30.25,40; ignored 10,5,50,45; ignored 19.6,19.6,20.6,20.6",
        "b.png 60x50: no objects",
        "",
    ]
    assert lines[3] == "export: CVAT for images 1.1"
    assert lines[-1].startswith("train would refuse this: export: 2 usable images of 2;")


def test_masks_are_shown_if_asked(tmp_path, capsys):
    polygon = '<polygon label="cat" points="2,3;7,3;7,8;2,8"/>'
    annotation_exports.draw(tmp_path / "export/images/a.png", (60, 50))
    annotation_exports.write_text(
        tmp_path / "export/annotations.xml",
        f'<annotations><image id="0" name="a.png" width="60" height="50">{polygon}{SHAPES}</image></annotations>',
    )

    assert main(["inspect", str(tmp_path / "export"), "--masks", "--json"]) == 0
    square, box = json.loads(capsys.readouterr().out)["images"][0]["boxes"]
    assert square["mask"] == {"left": 2, "top": 3, "width": 5, "height": 5, "runs": [0, 25]}
    assert box["mask"] is None

    assert main(["inspect", str(tmp_path / "export"), "--masks"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("a.png 60x50: cat 2,3,7,8 with 25 pixels; cat 2,3,30.25,40; ignored")
    assert "learnt as outlines: 1 of 2 boxes (1 polygon); the others teach the box alone" in text


def test_the_annotations_are_drawn_in_their_colours(export, tmp_path):
    inspect_exports([export], overlay=tmp_path / "drawn")

    (path,) = (tmp_path / "drawn").iterdir()
    assert path.name == "1-a.jpg"
    picture = Image.open(path)
    assert picture.width == 4 * 60  # a small image is enlarged
    red, green, blue = picture.getpixel((4 * 2, 4 * 35))  # on the box's left side: orange, the first class
    assert red > 150 and blue < 120 and green < red


def test_existing_overlays_are_only_replaced_if_asked(export, tmp_path):
    inspect_exports([export], overlay=tmp_path / "drawn")

    with pytest.raises(FileError, match=r"1-a\.jpg: exists"):
        inspect_exports([export], overlay=tmp_path / "drawn")
    inspect_exports([export], overlay=tmp_path / "drawn", overwrite=True)


def test_nothing_is_written_without_overlays(export, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))

    inspect_exports([export])

    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


def test_labels_can_be_chosen(export, capsys):
    assert main(["inspect", str(export), "--json", "--include-auto", "--labels", "dog"]) == 0

    content = json.loads(capsys.readouterr().out)
    assert [box["label"] for box in content["images"][0]["boxes"]] == ["dog"]


def test_what_is_no_export_is_one_sentence(tmp_path, capsys):
    (tmp_path / "empty").mkdir()

    assert main(["inspect", str(tmp_path / "empty")]) == 2
    assert capsys.readouterr().err.startswith("error: empty: ")


def test_overlays_of_very_long_names_are_written(tmp_path):
    name = "ö" * 120 + ".png"  # 244 bytes
    annotation_exports.draw(tmp_path / "export/images" / name, (60, 50), "green")
    meta = annotation_exports.cvat_meta(labels=("cat",), size=1)
    image = f'<image id="0" name="{name}" width="60" height="50">{SHAPES}</image>'
    annotation_exports.write_text(tmp_path / "export/annotations.xml", f"<annotations>{meta}{image}</annotations>")

    inspect_exports([tmp_path / "export"], overlay=tmp_path / "drawn")

    assert len(list((tmp_path / "drawn").iterdir())) == 1
