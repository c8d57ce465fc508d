"""What holds for every format in the table."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
from support import annotation_exports

from preannotate import formats
from preannotate.formats import FORMATS
from preannotate.formats.records import Export, Frame, Shape

WRITABLE = [name for name, known in FORMATS.items() if known.write is not None]


def test_every_format_module_is_in_the_table():
    modules = {path.stem for path in Path(formats.__file__).parent.glob("[!_]*.py")}
    readers = {name for name in modules if hasattr(importlib.import_module(f"preannotate.formats.{name}"), "recognise")}

    assert {known.read.__module__.rpartition(".")[2] for known in FORMATS.values()} == readers


@pytest.mark.parametrize("name", FORMATS)
def test_only_its_own_format_recognises_an_export(name, tmp_path):
    folder = annotation_exports.WRITERS[name](tmp_path / "export")

    assert [other for other, known in FORMATS.items() if known.recognise(folder)] == [name]


def export(folder):
    """Boxes of two labels on images with names that break careless writers; one image without boxes."""
    frames = []
    for name, size in annotation_exports.SIZES.items():
        image = annotation_exports.draw(folder / "images" / name, size)
        boxes = annotation_exports.BOXES[name]
        shapes = tuple(Shape(annotation_exports.LABELS[c], "box", tuple(map(float, box))) for c, *box in boxes)
        frames.append(Frame(name, image, shapes, declared_size=size))
    return Export(annotation_exports.LABELS, tuple(frames))


@pytest.mark.parametrize("name", WRITABLE)
def test_what_is_written_is_read_again(name, tmp_path):
    original = export(tmp_path)
    for path, content in FORMATS[name].write(original).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)

    again = FORMATS[name].read(tmp_path)

    assert FORMATS[name].recognise(tmp_path)
    assert sorted(again.labels) == sorted(original.labels)
    assert _images_and_boxes(again) == _images_and_boxes(original)


@pytest.mark.parametrize("name", ["cvat-images", "coco"])
def test_cvats_own_formats_keep_sizes_and_the_order_of_labels_and_images(name, tmp_path):
    original = export(tmp_path)
    for path, content in FORMATS[name].write(original).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)

    again = FORMATS[name].read(tmp_path)

    assert again.labels == original.labels
    assert [(frame.name, frame.declared_size) for frame in again.frames] == list(annotation_exports.SIZES.items())


@pytest.mark.parametrize("name", WRITABLE)
def test_the_same_annotations_give_the_same_bytes(name, tmp_path):
    original = export(tmp_path)

    assert FORMATS[name].write(original) == FORMATS[name].write(original)


def test_scores_come_back_from_coco_and_sources_from_cvat(tmp_path):
    shape = Shape("cat", "box", (1.0, 2.0, 3.0, 4.0), source="auto", score=0.25, occluded=True)
    original = Export(("cat",), (Frame("a.jpg", None, (shape,), declared_size=(9, 9)),))
    read = {}
    for name in ("coco", "cvat-images"):
        (folder := tmp_path / name / "annotations").mkdir(parents=True)
        for path, content in FORMATS[name].write(original).items():
            (folder.parent / path).write_bytes(content)
        ((found,),) = (frame.shapes for frame in FORMATS[name].read(folder.parent).frames)
        read[name] = replace(found, where="")

    assert read == {"coco": replace(shape, source="", occluded=False), "cvat-images": replace(shape, score=None)}


def _images_and_boxes(export):
    return {frame.name: (frame.image, [(s.label, s.kind, s.box) for s in frame.shapes]) for frame in export.frames}
