import base64
import io
import json
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from support.annotation_exports import draw, write_text

from preannotate.formats.outlines import Ellipse, MaskPicture, Polygons, RotatedBox, RunLengths
from runtime.image import DecodedImage
from runtime.masks import InstanceMask
from trainer.datasets import load_dataset
from trainer.datasets.coordinates import frame_to_image, turn
from trainer.datasets.rasterization import pixels_to_draw, rasterize

SIZE = (20, 10)
AS_IT_IS = frame_to_image(declared=SIZE, image_size=SIZE)
EVERYWHERE = np.array([-100.0, -100.0, 100.0, 100.0])


def picture(outline, *, size=SIZE, to_image=AS_IT_IS, box=EVERYWHERE):
    """The mask in its image as text, `#` for the object; "" without a mask."""
    mask = rasterize(outline, box, to_image, size)
    return "" if mask is None else "\n".join("".join(".#"[int(value)] for value in row) for row in mask.to_image(size))


def test_a_square_has_as_many_pixels_as_its_area():
    mask = rasterize(Polygons.of([[2, 3, 7, 3, 7, 8, 2, 8]]), EVERYWHERE, AS_IT_IS, SIZE)

    assert mask.box == (2, 3, 7, 8)
    assert mask.area == 25


def test_a_pixel_belongs_to_a_polygon_if_its_centre_is_inside():
    size = (6, 4)
    triangle = Polygons.of([[0, 0, 6, 0, 0, 4]])

    # Row y ends at x = 6 - 1.5 (y + 0.5): 5.25, 3.75, 2.25, 0.75.
    assert picture(triangle, size=size) == "#####.\n####..\n##....\n#....."


def test_several_parts_are_one_object_also_where_they_overlap():
    parts = Polygons.of([[0, 0, 3, 0, 3, 2, 0, 2], [2, 1, 5, 1, 5, 3, 2, 3]])

    assert picture(parts, size=(6, 3)) == "###...\n#####.\n..###."


def test_a_polygon_that_goes_around_a_hole_has_it():
    ring = [0, 0, 6, 0, 6, 5, 0, 5, 0, 0, 2, 1, 2, 4, 4, 4, 4, 1, 2, 1]

    assert picture(Polygons.of([ring]), size=(6, 5)) == "######\n##..##\n##..##\n##..##\n######"


def test_what_is_beyond_the_image_is_cut_off():
    assert picture(Polygons.of([[-5, -5, 2, -5, 2, 2, -5, 2]]), size=(4, 3)) == "##..\n##..\n...."
    assert picture(Polygons.of([[30, 1, 40, 1, 40, 9, 30, 9]])) == ""


def test_a_rotated_box_and_an_ellipse():
    turned = RotatedBox((3, 1, 5, 7), 90)
    assert picture(turned, size=(8, 8)) == picture(Polygons.of([[1, 3, 7, 3, 7, 5, 1, 5]]), size=(8, 8))
    ellipse = rasterize(Ellipse(100, 80, 60, 30, 25), np.array([0.0, 0, 200, 160]), AS_IT_IS, (200, 160))
    assert ellipse.area == pytest.approx(np.pi * 60 * 30, rel=0.01)


@pytest.mark.parametrize("by_columns", [False, True])
def test_runs(by_columns):
    bitmap = np.random.default_rng(0).random((5, 7)) < 0.4
    flat = bitmap.T.ravel() if by_columns else bitmap.ravel()
    changes = np.flatnonzero(np.diff(flat.astype(int), prepend=0)).tolist()
    counts = np.diff([0, *changes, 35]).tolist()
    mask = rasterize(RunLengths(counts, 4, 3, 7, 5, by_columns), np.array([4.0, 3, 11, 8]), AS_IT_IS, SIZE)

    assert np.array_equal(mask.to_image(SIZE)[3:8, 4:11], bitmap)
    assert mask.area == bitmap.sum()


TRANSPOSED = {5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE}


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize(
    "outline",
    [Polygons.of([[3, 2, 9, 2, 9, 5, 5, 5, 5, 7, 3, 7]]), RunLengths([0, 18, 0, 2, 4, 2, 4], 3, 2, 6, 5)],
    ids=["polygon", "runs"],
)
def test_masks_turn_with_their_image_as_pillow_turns_its_pixels(orientation, outline):
    raw = np.zeros((10, 20), np.uint8)
    raw[2:5, 3:9] = raw[5:7, 3:5] = 255
    upright = Image.fromarray(raw).transpose(TRANSPOSED.get(orientation, Image.Transpose.ROTATE_90))
    to_image = frame_to_image(declared=(20, 10), image_size=(10, 20), orientation=orientation)

    mask = rasterize(outline, EVERYWHERE, to_image, (10, 20))
    assert np.array_equal(mask.to_image((10, 20)), np.asarray(upright) > 0)


def test_masks_grow_with_an_image_of_another_scale():
    to_image = frame_to_image(declared=SIZE, image_size=(40, 20))
    small = RunLengths([0, 3, 1], 4, 3, 2, 2)

    mask = rasterize(small, np.array([8.0, 6, 12, 10]), to_image, (40, 20))
    assert mask.box == (8, 6, 12, 10)
    assert mask.bitmap.astype(int).tolist() == [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]


@pytest.mark.parametrize("by_columns", [False, True])
def test_a_small_image_of_a_large_mask_has_every_so_many_of_its_pixels(by_columns):
    bitmap = np.random.default_rng(0).random((500, 1000)) < 0.3
    flat = bitmap.T.ravel() if by_columns else bitmap.ravel()
    changes = np.flatnonzero(np.diff(flat.astype(int), prepend=0)).tolist()
    mask = RunLengths(np.diff([0, *changes, len(flat)]).tolist(), 0, 0, 1000, 500, by_columns)
    to_image = frame_to_image(declared=(1000, 500), image_size=SIZE)

    mask = rasterize(mask, EVERYWHERE, to_image, SIZE)
    assert np.array_equal(mask.to_image(SIZE), bitmap[25::50, 25::50])


def test_a_large_mask_of_a_small_image_is_not_unpacked():
    """A hundred million pixels may be a few letters of text, and there may be thousands of such masks."""
    to_image = frame_to_image(declared=(10_000, 5000), image_size=SIZE)

    tracemalloc.start()
    mask = rasterize(RunLengths([0, 50_000_000], 0, 0, 10_000, 5000), EVERYWHERE, to_image, SIZE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mask.area == 200
    assert peak < 1_000_000


def test_pictures_count_with_their_own_pixels():
    to_image = frame_to_image(declared=(1000, 500), image_size=SIZE)
    box = np.array([5.0, 2, 15, 7])

    assert pixels_to_draw(MaskPicture("", 0, 0), box, to_image, SIZE) == pytest.approx(50 * 50 * 50)
    assert pixels_to_draw(Polygons.of([[0, 0, 9, 0, 0, 9]]), box, to_image, SIZE) == 50


def png(bitmap):
    stream = io.BytesIO()
    Image.fromarray(bitmap.astype(np.uint8)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def test_a_picture_of_a_mask():
    bitmap = np.eye(3, dtype=bool)
    for box in ([5.0, 2, 7, 4], [5.0, 2, 8, 5]):  # to the last pixel, and behind it
        mask = rasterize(MaskPicture(png(bitmap), 5, 2), np.array(box), AS_IT_IS, SIZE)
        assert (mask.left, mask.top) == (5, 2)
        assert np.array_equal(mask.bitmap, bitmap)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("end", [0, 1])
def test_a_picture_of_a_mask_turns_with_its_image(orientation, end):
    bitmap = np.random.default_rng(0).random((4, 5)) < 0.6
    bitmap[0, 0] = bitmap[-1, -1] = True
    raw = np.zeros((10, 20), np.uint8)
    raw[2:6, 3:8] = bitmap
    upright = np.asarray(Image.fromarray(raw).transpose(TRANSPOSED.get(orientation, Image.Transpose.ROTATE_90)))
    to_image = frame_to_image(declared=(20, 10), image_size=(10, 20), orientation=orientation)
    (box,) = turn(np.array([[3.0, 2, 7 + end, 5 + end]]), (20, 10), orientation)

    mask = rasterize(MaskPicture(png(bitmap), 3, 2), box, to_image, (10, 20))
    assert np.array_equal(mask.to_image((10, 20)), upright > 0)


def test_a_picture_that_is_larger_than_its_box_is_not_opened(monkeypatch):
    """It may be a few kilobytes for all the memory of the machine."""
    large = MaskPicture(png(np.ones((300, 300))), 5, 2)
    opened = []
    monkeypatch.setattr("trainer.datasets.rasterization.decode", opened.append)

    assert rasterize(large, np.array([5.0, 2, 8, 5]), AS_IT_IS, SIZE) is None
    assert not opened


def test_a_picture_that_is_not_decoded_at_its_full_size_is_no_mask(monkeypatch):
    """Its pixels would be those of another place."""
    reduced = DecodedImage(Image.new("RGB", (2, 2), "white"), (4, 4))
    monkeypatch.setattr("trainer.datasets.rasterization.decode", lambda data: reduced)

    box = np.array([5.0, 2, 9, 6])
    assert rasterize(MaskPicture(png(np.ones((4, 4))), 5, 2), box, AS_IT_IS, SIZE) is None


HOSTILE = [
    RunLengths([10**18], 0, 0, 10**9, 10**9),
    RunLengths([0, 10**18], 0, 0, 10**9, 10**9),
    RunLengths([0, 4], 50, 50, 2, 2),
    RunLengths([-4, 8], 0, 0, 2, 2),
    RunLengths([], 0, 0, 2, 2),
    RunLengths([0, 4], 0, 0, -2, -2),
    MaskPicture("no picture", 0, 0),
    MaskPicture("iVBORw0KGgo=", 0, 0),
    MaskPicture("é", 0, 0),
    Polygons.of([[5, 5, 5, 5, 5, 5]]),
    Polygons.of([[1, 1, 9, 1, 5, 1]]),
    Polygons.of([[1e9, 1e9, -1e9, 1e9, 1e9, 1e9]]),
]


@pytest.mark.parametrize("outline", HOSTILE)
def test_what_cannot_be_drawn_is_no_mask(outline):
    assert rasterize(outline, EVERYWHERE, AS_IT_IS, SIZE) is None


def test_a_polygon_of_a_million_points_is_drawn_and_one_that_hatches_the_image_is_not(monkeypatch):
    angles = np.linspace(0, 2 * np.pi, 1_000_000)
    circle = np.stack([10 + 5 * np.cos(angles), 5 + 4 * np.sin(angles)], axis=1).ravel()
    assert rasterize(Polygons.of([circle]), EVERYWHERE, AS_IT_IS, SIZE).area == pytest.approx(np.pi * 20, abs=4)

    monkeypatch.setattr("evaluation.polygon_filling.MAX_CROSSINGS", 1000)
    zigzag = np.stack([np.linspace(0, 20, 200), np.tile([0, 10], 100)], axis=1).ravel()
    assert rasterize(Polygons.of([zigzag]), EVERYWHERE, AS_IT_IS, SIZE) is None


def test_the_pixels_of_all_masks_of_an_image_are_bounded(tmp_path, monkeypatch):
    """A line of text may claim a mask as large as the image, and there may be a million lines."""
    monkeypatch.setattr("trainer.datasets.loading._MASK_PIXELS", 2 * 25)
    dataset = load_dataset([coco(tmp_path, [SQUARE] * 3)], None, masks=True)

    assert [mask is None for mask in dataset.samples[0].masks] == [False, False, True]
    assert dataset.health.load_report.without_pixels == 1


def test_plain_boxes_are_no_masks_to_be_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.datasets.loading._MASK_PIXELS", 2 * 25)
    dataset = load_dataset([coco(tmp_path, [PLAIN, PLAIN, SQUARE])], None, masks=True)

    assert dataset.samples[0].masks[2] is not None


def test_the_runs_of_all_masks_of_an_image_are_bounded(tmp_path, monkeypatch):
    """A zigzag of a few kilobytes has millions of them."""
    monkeypatch.setattr("trainer.datasets.loading._MASK_RUNS", 1)  # the square has two
    dataset = load_dataset([coco(tmp_path, [SQUARE, SQUARE])], None, masks=True)

    assert [mask is None for mask in dataset.samples[0].masks] == [False, True]
    assert dataset.health.load_report.without_pixels == 1


def coco(folder, annotations, *, size=SIZE):
    for index in range(3):
        draw(folder / f"images/{index}.png", SIZE, f"#0000{index}0")
    images = [{"id": i, "file_name": f"{i}.png", "width": size[0], "height": size[1]} for i in range(3)]
    annotations = [{"id": i, "category_id": 1, **annotation} for i, annotation in enumerate(annotations)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "a"}]}
    write_text(folder / "annotations/instances_default.json", json.dumps(content))
    return folder


SQUARE = {"image_id": 0, "bbox": [2, 3, 5, 5], "segmentation": [[2, 3, 7, 3, 7, 8, 4, 8, 2, 8]]}
PLAIN = {"image_id": 0, "bbox": [10, 3, 5, 5], "segmentation": []}


def test_a_dataset_has_masks_beside_its_boxes_if_asked(tmp_path):
    export = coco(tmp_path, [PLAIN, SQUARE])
    (sample,) = load_dataset([export], None, masks=True).samples
    (without,) = load_dataset([export], None).samples

    assert sample.masks == (None, InstanceMask.from_bitmap(np.ones((5, 5)), 2, 3))
    assert without.masks == ()
    assert np.array_equal(sample.boxes, without.boxes)


def test_the_summary_counts_what_is_learnt_as_outlines(tmp_path):
    thin = {"image_id": 1, "bbox": [2, 3, 5, 5], "segmentation": [[2, 3, 7, 8, 2, 3]]}
    health = load_dataset([coco(tmp_path, [PLAIN, SQUARE, thin])], None, masks=True).health

    assert health.masks_of == {"a": 1}
    assert health.to_json()["classes"]["a"]["masks"] == 1
    assert "  a: 3 boxes in 2 images, 1 outline" in health.to_text()
    assert "learnt as outlines: 1 of 3 boxes (1 polygon); the others teach the box alone" in health.to_text()
    assert "outlines that cannot be read or drawn, learnt as boxes: 1 (instances_default.json: annotation 2)" in (
        health.to_text()
    )


def test_an_outline_that_cannot_be_read_is_counted(tmp_path):
    damaged = {**SQUARE, "segmentation": {"counts": [5, 3], "size": [10, 20]}}
    health = load_dataset([coco(tmp_path, [damaged, SQUARE])], None, masks=True).health

    assert health.masks_of == {"a": 1}
    assert "learnt as boxes: 1 (instances_default.json: annotation 0)" in health.to_text()


def test_outlines_of_a_repeated_image_are_counted_once(tmp_path):
    exports = [coco(tmp_path / name, [SQUARE, PLAIN]) for name in ("first", "second")]
    health = load_dataset(exports, None, masks=True).health

    assert "learnt as outlines: 1 of 2 boxes (1 polygon)" in health.to_text()


def test_a_dataset_without_masks_says_that_outlines_became_boxes(tmp_path):
    health = load_dataset([coco(tmp_path, [PLAIN, SQUARE])], None).health

    assert health.masks is None
    assert "masks" not in health.to_json()
    assert "turned into boxes: 1 polygon" in health.to_text()


def test_a_mask_of_an_image_of_another_size(tmp_path):
    twice = {"image_id": 0, "bbox": [4, 6, 10, 10], "segmentation": [[4, 6, 14, 6, 14, 16, 8, 16, 4, 16]]}
    (sample,) = load_dataset([coco(tmp_path, [twice], size=(40, 20))], None, masks=True).samples

    assert sample.masks == (InstanceMask.from_bitmap(np.ones((5, 5)), 2, 3),)


def test_of_two_annotations_with_the_same_boxes_the_one_with_masks_is_kept(tmp_path):
    boxes = coco(tmp_path / "boxes", [{**SQUARE, "segmentation": []}])
    masks = coco(tmp_path / "masks", [SQUARE])

    for exports in ([boxes, masks], [masks, boxes]):
        dataset = load_dataset(exports, None, masks=True)
        (sample,) = dataset.samples
        assert sample.masks[0] is not None
        assert dataset.health.load_report.duplicates == [["0.png", "0.png"]]


def test_label_types_of_cvat_are_told_apart(tmp_path):
    def task(name, **types):
        labels = "".join(f"<label><name>{k}</name><type>{v}</type></label>" for k, v in types.items())
        box = '<box label="car" xtl="1" ytl="1" xbr="5" ybr="5"/>'
        draw(tmp_path / name / "images/a.png", SIZE, name)
        image = f'<image id="0" name="a.png" width="20" height="10">{box}</image>'
        meta = f"<meta><task><labels>{labels}</labels></task></meta>"
        write_text(tmp_path / name / "annotations.xml", f"<annotations>{meta}{image}</annotations>")
        return tmp_path / name

    first = task("red", car="rectangle", spill="polygon", dust="mask", thing="any", night="tag")
    second = task("blue", car="polygon", spill="polygon")
    health = load_dataset([first, second], None).health

    assert health.load_report.label_types == {"car": "any", "spill": "polygon", "dust": "mask", "thing": "any"}


def test_what_a_label_is_answered_with(tmp_path):
    types = {
        "drawn": "any",
        "brushed": "any",
        "boxed": "any",
        "strict": "rectangle",
        "poly": "polygon",
        "brush": "mask",
    }
    polygon = '<polygon label="{}" points="1,1;9,1;5,8"/>'
    brush = '<mask label="{}" rle="0, 4" left="{}" top="4" width="2" height="2"/>'
    box = '<box label="{}" xtl="1" ytl="1" xbr="5" ybr="5"/>'
    shapes = [polygon.format(name) for name in ("drawn", "strict", "brush", "boxed")]
    shapes += [
        brush.format("brushed", 1),
        brush.format("brushed", 2),
        polygon.format("brushed"),
        brush.format("poly", 3),
    ]
    shapes += [box.format(name) for name in ("drawn", "boxed", "boxed", "brushed", "poly", "brush")]
    labels = "".join(f"<label><name>{name}</name><type>{kind}</type></label>" for name, kind in types.items())
    draw(tmp_path / "images/a.png", SIZE)
    image = f'<image id="0" name="a.png" width="20" height="10">{"".join(shapes)}</image>'
    meta = f"<meta><task><labels>{labels}</labels></task></meta>"
    write_text(tmp_path / "annotations.xml", f"<annotations>{meta}{image}</annotations>")

    health = load_dataset([tmp_path], None, masks=True).health
    assert {label: health.label_type(label) for label in health.labels} == {
        "drawn": "polygon",
        "brushed": "mask",
        "boxed": "rectangle",
        "strict": "rectangle",
        "poly": "polygon",
        "brush": "mask",
    }
    line = "detections will be, unless function.yaml says otherwise: drawn polygon, brushed mask, boxed rectangle"
    assert line in health.to_text()
