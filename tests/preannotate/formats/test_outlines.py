"""Every format's shapes with an area keep their outlines, if these are wanted."""

import json

import numpy as np
import pytest
from support.annotation_exports import draw, write_text

from preannotate.formats import coco, cvat_images, read_export
from preannotate.formats.geometry import is_upright_box
from preannotate.formats.outlines import (
    UNREADABLE,
    Ellipse,
    MaskPicture,
    Polygons,
    RotatedBox,
    RunLengths,
    column_runs,
    polygon_area,
)
from preannotate.formats.records import Export, Frame, Shape

SIZE = (20, 10)
TRIANGLE = [1.0, 1.0, 9.0, 1.0, 5.0, 8.0]
SQUARE = [12.0, 2.0, 16.0, 2.0, 16.0, 6.0, 12.0, 6.0]


def outlines_of(folder):
    draw(folder / "images/a.png", SIZE)
    (frame,) = read_export(folder, folder, outlines=True).export.frames
    assert [shape.outline for shape in read_export(folder, folder).export.frames[0].shapes] == [None] * len(
        frame.shapes
    )
    return [shape.outline for shape in frame.shapes]


def test_cvat_images(tmp_path):
    shapes = (
        '<polygon label="a" points="1,1;9,1;5,8"/>'
        '<box label="a" xtl="1" ytl="1" xbr="5" ybr="3" rotation="30"/>'
        '<ellipse label="a" cx="5" cy="5" rx="4" ry="2" rotation="45"/>'
        '<mask label="a" rle="1, 2, 1" left="3" top="4" width="2" height="2"/>'
        '<box label="a" xtl="1" ytl="1" xbr="5" ybr="3"/>'
    )
    image = f'<image id="0" name="a.png" width="20" height="10">{shapes}</image>'
    write_text(tmp_path / "annotations.xml", f"<annotations>{image}</annotations>")

    polygon, rotated, ellipse, mask, box = outlines_of(tmp_path)
    assert polygon == Polygons.of([TRIANGLE])
    assert rotated == RotatedBox((1, 1, 5, 3), 30)
    assert ellipse == Ellipse(5, 5, 4, 2, 45)
    assert (list(mask.counts), mask.left, mask.top, mask.width, mask.height) == ([1, 2, 1], 3, 4, 2, 2)
    assert box is None


def test_cvat_video(tmp_path):
    task = "<task><size>1</size><mode>annotation</mode></task>"
    polygon = (
        '<polygon frame="0" outside="0" points="1,1;9,1;5,8"/><polygon frame="1" outside="1" points="1,1;9,1;5,8"/>'
    )
    mask = '<mask frame="0" outside="0" rle="0, 4" left="3" top="4" width="2" height="2"/>'
    tracks = f'<track id="0" label="a">{polygon}</track><track id="1" label="a">{mask}</track>'
    write_text(tmp_path / "annotations.xml", f"<annotations><meta>{task}</meta>{tracks}</annotations>")

    assert outlines_of(tmp_path)[0] == Polygons.of([TRIANGLE])
    assert list(outlines_of(tmp_path)[1].counts) == [0, 4]


def test_coco(tmp_path):
    segmentations = [[TRIANGLE, SQUARE], {"counts": [5, 3, 192], "size": [10, 20]}, [], [[1, 1, 2, 2]]]
    annotations = [
        {"id": i, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "segmentation": segmentation}
        for i, segmentation in enumerate(segmentations)
    ]
    image = {"id": 1, "file_name": "a.png", "width": 20, "height": 10}
    content = {"images": [image], "annotations": annotations, "categories": [{"id": 1, "name": "a"}]}
    write_text(tmp_path / "annotations/instances_default.json", json.dumps(content))

    polygons, mask, empty, two_points = outlines_of(tmp_path)
    assert polygons == Polygons.of([TRIANGLE, SQUARE])
    assert (list(mask.counts), mask.width, mask.height, mask.by_columns) == ([5, 3, 192], 20, 10, True)
    assert empty is None
    assert two_points is None


def test_datumaro(tmp_path):
    annotations = [
        {"type": "polygon", "label_id": 0, "points": TRIANGLE},
        {"type": "mask", "label_id": 0, "rle": {"counts": [5, 3, 192], "size": [10, 20]}},
        {"type": "ellipse", "label_id": 0, "points": [2, 2, 8, 6]},
        {"type": "bbox", "label_id": 0, "bbox": [1, 1, 4, 2], "attributes": {"rotation": 30.0}},
        {"type": "bbox", "label_id": 0, "bbox": [1, 1, 4, 2]},
    ]
    item = {"id": "a", "annotations": annotations, "image": {"path": "a.png", "size": [10, 20]}}
    content = {"categories": {"label": {"labels": [{"name": "a"}]}}, "items": [item]}
    write_text(tmp_path / "annotations/default.json", json.dumps(content))

    polygon, mask, ellipse, rotated, box = outlines_of(tmp_path)
    assert polygon == Polygons.of([TRIANGLE])
    assert list(mask.counts) == [5, 3, 192]
    assert ellipse == Ellipse(5, 4, 3, 2)
    assert rotated == RotatedBox((1, 1, 5, 3), 30)
    assert box is None


def test_labelme(tmp_path):
    shapes = [
        {"label": "a", "shape_type": "polygon", "points": [[1, 1], [9, 1], [5, 8]]},
        {"label": "a", "shape_type": "circle", "points": [[5, 5], [8, 5]]},
        {"label": "a", "shape_type": "mask", "points": [[3, 4], [5, 6]], "mask": "iVBO"},
        {"label": "a", "shape_type": "mask", "points": [[3, 4], [5, 6]], "mask": None},
        {"label": "a", "shape_type": "rotation", "points": [[3, 1], [5, 3], [3, 5], [1, 3]]},
        {"label": "a", "shape_type": "rotation", "points": [[3, 1], [5, 1], [5, 3], [3, 3]]},
        {"label": "a", "shape_type": "rectangle", "points": [[3, 4], [5, 6]]},
    ]
    content = {"shapes": shapes, "imagePath": "a.png", "imageWidth": 20, "imageHeight": 10}
    write_text(tmp_path / "images/a.json", json.dumps(content))

    polygon, circle, mask, lost, rotated, upright, box = outlines_of(tmp_path)
    assert polygon == Polygons.of([TRIANGLE])
    assert circle == Ellipse(5, 5, 3, 3)
    assert mask == MaskPicture("iVBO", 3, 4)
    assert lost == UNREADABLE
    assert rotated == Polygons.of([[3, 1, 5, 3, 3, 5, 1, 3]])
    assert upright is None
    assert box is None


def test_ultralytics(tmp_path):
    lines = "0 0.1 0.1 0.9 0.1 0.5 0.8\n0 0.5 0.1 0.9 0.5 0.5 0.9 0.1 0.5\n0 0.5 0.5 0.2 0.2\n"
    write_text(tmp_path / "labels/a.txt", lines)
    write_text(tmp_path / "data.yaml", "names: [a]\n")

    polygon, rotated, box = outlines_of(tmp_path)
    assert polygon == Polygons.of([[0.1, 0.1, 0.9, 0.1, 0.5, 0.8]])
    assert rotated == Polygons.of([[0.5, 0.1, 0.9, 0.5, 0.5, 0.9, 0.1, 0.5]])
    assert box is None


def test_voc(tmp_path):
    polygon = "<polygon><x1>1</x1><y1>1</y1><x2>9</x2><y2>1</y2><x3>5</x3><y3>8</y3></polygon>"
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>"
    damaged, empty = polygon.replace("<x1>1", "<x1>one"), "<polygon/>"
    parts = (polygon, box + polygon, box + damaged, box + empty, box)
    objects = "".join(f"<object><name>a</name>{part}</object>" for part in parts)
    write_text(tmp_path / "annotations/a.xml", f"<annotation>{objects}</annotation>")

    alone, beside, lost, *none = outlines_of(tmp_path)
    assert alone == beside == Polygons.of([TRIANGLE])
    assert lost == UNREADABLE
    assert none == [None, None]
    kinds = [shape.kind for shape in read_export(tmp_path, tmp_path).export.frames[0].shapes]
    assert kinds == ["polygon", "polygon", "box", "box", "box"]


def test_voc_says_that_pictures_of_masks_are_not_read(tmp_path):
    write_text(tmp_path / "Annotations/a.xml", "<annotation></annotation>")
    draw(tmp_path / "JPEGImages/a.png", SIZE)
    assert read_export(tmp_path, tmp_path).export.notes == ()

    draw(tmp_path / "SegmentationObject/a.png", SIZE)
    (note,) = read_export(tmp_path, tmp_path).export.notes
    assert note.startswith("SegmentationClass and SegmentationObject: 1 picture of masks, which are not read.")


def test_labelme_of_cvat_writes_boxes_as_polygons(tmp_path):
    corners = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((2, 3), (7, 3), (7, 8), (2, 8)))
    polygon = f"<object><name>a</name><polygon>{corners}</polygon></object>"
    write_text(tmp_path / "a.xml", f"<annotation>{polygon}</annotation>")

    assert outlines_of(tmp_path) == [None]


BOX_CORNERS = [
    [2, 3, 7, 3, 7, 8, 2, 8],
    [7, 8, 2, 8, 2, 3, 7, 3],
    [7, 3, 7, 8, 2, 8, 2, 3, 7, 3],
    [2, 3, 2.0000001, 8, 7, 8, 7, 3],
]
NO_BOXES = [
    [2, 3, 7, 3.1, 7, 8, 2, 8],  # drawn
    [2, 3, 7, 8, 7, 3, 2, 8],  # crosses itself
    [2, 3, 7, 3, 7, 8],
    [2, 3, 7, 3, 7, 8, 4, 8, 2, 8],
    [2, 3, 7, 3, 2, 3, 7, 3],
]


@pytest.mark.parametrize(("points", "is_box"), [(p, True) for p in BOX_CORNERS] + [(p, False) for p in NO_BOXES])
def test_a_box_that_a_converter_wrote_as_a_polygon(points, is_box):
    assert is_upright_box(points) == is_box


def test_a_box_that_is_written_as_a_polygon_has_no_outline(tmp_path):
    """It would teach that every pixel of the box belongs to the object."""
    image = {"id": 1, "file_name": "a.png", "width": 20, "height": 10}
    segmentations = [[BOX_CORNERS[0]], [NO_BOXES[0]], [BOX_CORNERS[0], TRIANGLE]]
    annotations = [
        {"id": i, "image_id": 1, "category_id": 1, "bbox": [2, 3, 5, 5], "segmentation": segmentation}
        for i, segmentation in enumerate(segmentations)
    ]
    content = {"images": [image], "annotations": annotations, "categories": [{"id": 1, "name": "a"}]}
    write_text(tmp_path / "coco/annotations/instances_default.json", json.dumps(content))
    lines = "0 0.1 0.3 0.3 0.3 0.3 0.8 0.1 0.8\n0 0.1 0.3 0.3 0.3 0.3 0.8 0.1 0.8 0.1 0.3\n0 0.1 0.3 0.3 0.3 0.3 0.8\n"
    write_text(tmp_path / "yolo/labels/a.txt", lines)
    write_text(tmp_path / "yolo/data.yaml", "names: [a]\n")

    assert [outline is not None for outline in outlines_of(tmp_path / "coco")] == [False, True, True]
    assert [outline is not None for outline in outlines_of(tmp_path / "yolo")] == [False, False, True]


DAMAGED = [
    [[1, 1, 9, 1, "x", 8]],
    {"counts": [5, 3], "size": [10, 20]},
    {"counts": [200], "size": [10, 20]},
    {"counts": [0, 200], "size": [20, 10]},
    {"counts": "\u00e9", "size": [10, 20]},
]


@pytest.mark.parametrize("segmentation", DAMAGED)
def test_an_outline_that_cannot_be_read_beside_a_box_is_not_lost_silently(tmp_path, segmentation):
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 3, 5, 5], "segmentation": segmentation}
    image = {"id": 1, "file_name": "a.png", "width": 20, "height": 10}
    content = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "a"}]}
    write_text(tmp_path / "annotations/instances_default.json", json.dumps(content))

    assert outlines_of(tmp_path) == [UNREADABLE]


OUTLINES = {
    "polygon": Polygons.of([TRIANGLE]),
    "rotated box": RotatedBox((1.0, 1.0, 5.0, 3.0), 30.0),
    "ellipse": Ellipse(5.0, 5.0, 4.0, 2.0, 45.0),
    "mask": RunLengths([0, 1, 2, 1], 3, 4, 2, 2),
}


def test_cvat_xml_gets_every_outline_back(tmp_path):
    shapes = tuple(Shape("a", kind, (1, 1, 5, 5), outline=outline) for kind, outline in OUTLINES.items())
    files = cvat_images.write(Export(("a",), (Frame("a.png", None, shapes, declared_size=SIZE),)))
    (tmp_path / "annotations.xml").write_bytes(files["annotations.xml"])

    *vector, mask = outlines_of(tmp_path)
    assert vector == [OUTLINES["polygon"], OUTLINES["rotated box"], OUTLINES["ellipse"]]
    assert (list(mask.counts), mask.left, mask.top) == ([0, 1, 2, 1], 3, 4)


def test_cvat_xml_has_no_object_of_several_polygons():
    shape = Shape("a", "polygon", (1, 1, 16, 8), outline=Polygons.of([TRIANGLE, SQUARE]))
    with pytest.raises(ValueError, match="one polygon"):
        cvat_images.write(Export(("a",), (Frame("a.png", None, (shape,), declared_size=SIZE),)))


def test_coco_holds_polygons_and_runs():
    shapes = (
        Shape("a", "polygon", (1, 1, 16, 8), outline=Polygons.of([TRIANGLE, SQUARE])),
        Shape("a", "mask", (3, 4, 5, 6), outline=OUTLINES["mask"]),
        Shape("a", "box", (3, 4, 5, 6)),
    )
    (content,) = coco.write(Export(("a",), (Frame("a.png", None, shapes, declared_size=SIZE),))).values()
    polygons, mask, box = json.loads(content)["annotations"]

    assert polygons["segmentation"] == [TRIANGLE, SQUARE]
    assert polygons["area"] == 28 + 16
    # (3, 4) and (4, 5), column by column in 10 rows: 34 before, 10 between.
    assert mask["segmentation"] == {"counts": [34, 1, 10, 1, 154], "size": [10, 20]}
    assert (mask["area"], mask["iscrowd"]) == (2, 0)
    assert (box["segmentation"], box["area"]) == ([], 4)


def test_runs_by_columns_stay_what_they_are():
    assert column_runs(RunLengths([5, 3, 192], 0, 0, 20, 10, by_columns=True), SIZE) == [5, 3, 192]
    assert column_runs(RunLengths([0, 200], 0, 0, 20, 10), SIZE) == [0, 200]


@pytest.mark.parametrize("seed", range(6))
def test_columns_are_those_of_the_pixels(seed):
    generator = np.random.default_rng(seed)
    left, width = sorted(generator.choice(21, 2, replace=False).tolist())
    top, height = sorted(generator.choice(11, 2, replace=False).tolist())
    width, height = width - left, height - top
    bitmap = generator.random((height, width)) < 0.5
    image = np.zeros((10, 20), bool)
    image[top : top + height, left : left + width] = bitmap

    def runs_of(pixels):
        changes = np.flatnonzero(np.diff(pixels.astype(int), prepend=0))
        return np.diff(changes, prepend=0, append=len(pixels)).tolist()

    found = column_runs(RunLengths(runs_of(bitmap.ravel()), left, top, width, height), SIZE)
    assert [count for count in found[1:] if count] == [count for count in runs_of(image.T.ravel())[1:] if count]
    assert found[0] == runs_of(image.T.ravel())[0]


@pytest.mark.parametrize(
    "mask",
    [
        RunLengths([1, 2], 0, 0, 2, 2),
        RunLengths([4], 19, 0, 2, 2),
        RunLengths([4], -1, 0, 2, 2),
        RunLengths([10**12], 0, 0, 10**6, 10**6),
        RunLengths([-1, 5], 0, 0, 2, 2),
    ],
)
def test_runs_that_do_not_fit_the_image_are_refused(mask):
    with pytest.raises(ValueError, match="mask of"):
        column_runs(mask, SIZE)


def test_the_corners_of_a_rotated_box():
    (corners,) = RotatedBox((10, 10, 50, 30), 90).polygons().parts
    assert list(corners) == pytest.approx([40, 0, 40, 40, 20, 40, 20, 0])


def test_an_ellipse_is_nearly_its_polygon():
    (points,) = Ellipse(50, 40, 30, 10, 20).polygons().parts
    assert polygon_area(points) == pytest.approx(942.48, rel=1e-3)
