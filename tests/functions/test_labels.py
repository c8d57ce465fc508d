"""A label's name, in any script, from the annotations of a dataset to the shape that CVAT stores."""

import json
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest
import yaml
from PIL import Image

from builder.function_yaml import function_yaml
from builder.variants import VARIANTS
from runtime.cvat import rectangle, reply
from runtime.detector import Detection
from runtime.function_file import read_labels, rename_classes
from runtime.manifest import Manifest, Postprocess
from trainer.datasets import load_dataset

# Letters that YAML, JSON, XML, Python's splitlines() or a shell take for something else are drawn often.
SPECIAL = (
    "\"'\\:#-{}[],&*!|>%@`~?=$;<>/\n\r\t\x00\x07\x1b\x7f\x85\xa0\u200b\u2028\u2029\ufeff\uffff\u202e\U0001f600é e\u0301"
)
TRAPS = (
    "null",
    "true",
    "no",
    "1e3",
    "0x1F",
    "~",
    "- a",
    "a: b",
    "# a",
    "%YAML",
    "---",
    "...",
    "{}",
    "|",
    "=",
    "<<",
    "\\n",
)


def coco(folder: Path, labels: list[str], *, ascii_only: bool = True) -> Path:
    """One image with one box of each label."""
    (folder / "images" / "default").mkdir(parents=True)
    (folder / "annotations").mkdir()
    Image.new("RGB", (64, 64)).save(folder / "images" / "default" / "a.png")
    boxes = [
        {"id": number + 1, "image_id": 1, "category_id": number + 1, "bbox": [4, 4, 20, 20], "segmentation": []}
        for number in range(len(labels))
    ]
    content = {
        "images": [{"id": 1, "width": 64, "height": 64, "file_name": "a.png"}],
        "categories": [{"id": number + 1, "name": label} for number, label in enumerate(labels)],
        "annotations": boxes,
    }
    text = json.dumps(content, ensure_ascii=ascii_only)
    (folder / "annotations" / "instances_default.json").write_text(text, encoding="utf-8")
    return folder


def cvat(folder: Path, labels: list[str]) -> Path:
    """The same as `CVAT for images`."""
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(folder / "images" / "a.png")
    declared = "".join(f"<label><name>{escape(label)}</name><type>rectangle</type></label>" for label in labels)
    # A newline in an attribute is read back as a space unless it is written as a number.
    names = [quoteattr(label, {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}) for label in labels]
    boxes = "".join(
        f'<box label={name} source="manual" occluded="0" xtl="4" ytl="4" xbr="24" ybr="24" z_order="0"></box>'
        for name in names
    )
    text = (
        f"<annotations><version>1.1</version><meta><task><labels>{declared}</labels></task></meta>"
        f'<image id="0" name="a.png" width="64" height="64">{boxes}</image></annotations>'
    )
    (folder / "annotations.xml").write_text(text, encoding="utf-8")
    return folder


def served(labels: tuple[str, ...], folder: Path) -> list[str]:
    """Names of one detection of each class, as CVAT reads them out of the reply of the function."""
    count = len(labels)
    Manifest("ssd", labels, (32, 32), Postprocess(0.5, (0.5,) * count)).write(folder / "model.json")
    manifest = Manifest.read(folder)
    specs = set()
    for variant in VARIANTS.values():
        text = function_yaml("cats", variant, manifest, {"preannotate.fingerprint": "1e3"})
        (folder / variant.file).write_text(text, encoding="utf-8")
        content = yaml.safe_load((folder / variant.file).read_text(encoding="utf-8"))
        spec = json.loads(content["metadata"]["annotations"]["spec"])
        assert [(item["id"], item["name"], item["type"]) for item in spec] == [
            (class_id, label, "rectangle") for class_id, label in enumerate(labels)
        ]
        specs.add(content["metadata"]["annotations"]["spec"])
        named = rename_classes(manifest, read_labels(folder / variant.file))
    assert len(specs) == 1
    shapes = [rectangle(Detection(label, number, 0.5, (1, 2, 3, 4))) for number, label in enumerate(named.labels)]
    return [shape["label"] for shape in json.loads(reply(shapes).encode("utf-8"))]


def learnt(export: Path, folder: Path) -> tuple[str, ...]:
    """Labels of the dataset; each of them has its box."""
    dataset = load_dataset([export], folder / "store")
    (sample,) = dataset.samples
    assert set(sample.class_ids.tolist()) == set(range(len(dataset.labels)))
    return dataset.labels


@pytest.mark.parametrize("write", [coco, cvat])
@pytest.mark.parametrize(
    "label", [*TRAPS, "Größe", "ящик", "箱子", "صندوق", "📦", "a" * 200, "a\nb", "a\tb", "'\"\\", "$(ls)"]
)
def test_a_name_survives(label, write, tmp_path):
    labels = learnt(write(tmp_path / "export", [label, "other"]), tmp_path)
    assert labels == (label, "other")
    assert served(labels, tmp_path) == [label, "other"]


@pytest.mark.parametrize("write", [coco, cvat])
def test_names_that_differ_in_case_or_accents_alone_are_different_labels(write, tmp_path):
    names = ["Cat", "cat", "CAT", "é", "e\u0301"]
    labels = learnt(write(tmp_path / "export", names), tmp_path)
    assert served(labels, tmp_path) == names


@pytest.mark.parametrize("write", [coco, cvat])
def test_spaces_around_a_name_are_no_part_of_it(write, tmp_path):
    labels = learnt(write(tmp_path / "export", [" cat ", "a  b", "cat"]), tmp_path)
    assert labels == ("cat", "a  b")


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("", "without a label"),
        (" ", "without a label"),
        ("a\0b", "with a label that is no whole text"),
        ("\ud83d", "with a label that is no whole text"),
        ("a\udc00", "with a label that is no whole text"),
        ("x" * 501, "with a label of more than 500 characters"),
    ],
)
def test_shapes_of_a_name_that_can_be_written_nowhere_are_left_out(label, reason, tmp_path):
    dataset = load_dataset([coco(tmp_path / "export", ["cat", label])], tmp_path / "store")

    assert dataset.labels == ("cat",)
    assert dataset.health.load_report.dropped == {reason: 1}
    assert dataset.samples[0].ignored.tolist() == [[4, 4, 24, 24]]


def test_any_names_survive(tmp_path_factory):
    pytest.importorskip("hypothesis")
    from hypothesis import given, settings
    from hypothesis import strategies as st

    letters = st.sampled_from(SPECIAL) | st.characters(exclude_categories=["Cs"])
    name = st.sampled_from(TRAPS) | st.text(letters, max_size=70)

    @settings(max_examples=200, deadline=None, database=None)
    @given(names=st.lists(name, min_size=1, max_size=5), ascii_only=st.booleans())
    def survive(names, ascii_only):
        folder = tmp_path_factory.mktemp("labels")
        export = coco(folder / "export", names, ascii_only=ascii_only)
        wanted = [name for name in dict.fromkeys(name.strip() for name in names) if name and "\0" not in name]
        if not wanted:
            assert load_dataset([export], folder / "store").samples == ()
            return
        assert served(learnt(export, folder), folder) == wanted

    survive()


def test_a_name_that_was_edited_in_function_yaml_is_in_the_reply(tmp_path):
    served(("cat", "dog"), tmp_path)
    path = tmp_path / "function.yaml"
    path.write_text(path.read_text("utf-8").replace('"name": "cat"', r'"name": "\u732b \"1\" \ud83d\ude00"'), "utf-8")
    assert [label.name for label in read_labels(path).values()] == ['猫 "1" 😀', "dog"]
