import numpy as np
import pytest
from PIL import Image

from evaluation.overlay import GROUND_TRUTH, PALETTE, class_colour, draw_overlay
from runtime.detector import Detection
from runtime.masks import InstanceMask

GREY = (90, 90, 90)


def picture(size=(400, 300), mode="RGB"):
    return Image.new("RGB", size, GREY).convert(mode)


def test_a_detection_is_a_line_of_its_class_colour_along_the_box():
    overlay = draw_overlay(picture(), [Detection("bolt", 2, 0.9, (100.0, 80.0, 200.0, 180.0))])

    pixels = np.asarray(overlay)
    colour = list(class_colour(2))
    assert pixels[80:180, 100].tolist() == [colour] * 100
    assert pixels[80:180, 199].tolist() == [colour] * 100
    assert pixels[179, 100:200].tolist() == [colour] * 100
    assert (pixels[100:160, 110:190] == GREY).all()  # what is inside stays to be seen
    assert (pixels[190:300] == GREY).all()
    assert (pixels[:300, 210:] == GREY).all()


def test_ground_truth_is_dashed_and_keeps_out_of_the_box():
    overlay = draw_overlay(picture(), [], (np.array([[100, 80, 200, 180]], np.float32), ["bolt"]))

    line = np.asarray(overlay)[80, 100:200].tolist()
    white = line.count(list(GROUND_TRUTH))
    assert 30 <= white <= 70 and len({tuple(pixel) for pixel in line}) == 2
    assert (np.asarray(overlay)[100:170, 110:190] == GREY).all()


def test_the_legend_lies_below_and_the_image_stays_as_it_was():
    image = picture()

    overlay = draw_overlay(image, [Detection("bolt", 2, 0.9, (100.0, 80.0, 200.0, 180.0))])

    assert overlay.width == 400 and overlay.height > 300
    assert (np.asarray(overlay)[300:] == class_colour(2)).all(-1).sum() > 50
    assert (np.asarray(image) == GREY).all()


def test_lines_grow_with_the_image():
    box = (0.25, 0.25, 0.75, 0.75)
    widths = []
    for size in (400, 4000):
        overlay = draw_overlay(picture((size, size)), [Detection("a", 0, 0.5, tuple(v * size for v in box))])
        column = np.asarray(overlay)[size // 2, : size // 2]
        widths.append(int((column == class_colour(0)).all(-1).sum()))

    assert widths == [2, 15]  # 400 / 260 is under the least, 4000 / 260


def test_a_tag_stays_inside_the_picture():
    overlay = draw_overlay(picture(), [Detection("a long label", 1, 0.5, (380.0, 0.0, 400.0, 10.0))])

    assert (np.asarray(overlay)[:300] == class_colour(1)).all(-1)[:, :380].any()  # moved to the left
    assert overlay.width == 400


@pytest.mark.parametrize("label", ["日本語", "Größe", "болт", "مفتاح", "a\nb", "", " ", "\x00", "🔩", "x" * 500])
def test_a_label_of_any_script_is_drawn(label):
    plain = draw_overlay(picture(), [])

    overlay = draw_overlay(picture(), [Detection(label, 0, 0.5, (50.0, 50.0, 90.0, 90.0))], ([(5, 5, 9, 9)], [label]))

    assert (np.asarray(overlay)[:300] != np.asarray(plain)[:300]).any()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_any_mode_becomes_rgb(mode):
    assert draw_overlay(picture(mode=mode), []).mode == "RGB"


def test_a_box_of_no_size_or_outside_is_no_error():
    boxes = [(0.0, 0.0, 0.2, 0.2), (-50.0, -50.0, 900.0, 900.0), (399.9, 299.9, 400.0, 300.0)]

    overlay = draw_overlay(
        picture(), [Detection("a", 0, 0.5, box) for box in boxes], (np.array(boxes, np.float32), ["a"] * 3)
    )

    assert overlay.width == 400


def test_a_one_pixel_image_is_no_error():
    assert draw_overlay(picture((1, 1)), [Detection("a", 0, 0.5, (0.0, 0.0, 1.0, 1.0))]).width == 1


def test_classes_keep_their_colours_and_repeat_after_the_last():
    assert len(set(PALETTE)) == len(PALETTE) == 8
    assert class_colour(1) == PALETTE[1] == class_colour(9)


def test_what_has_a_mask_is_drawn_as_its_outline_and_not_as_its_box():
    y, x = np.mgrid[:100, :100]
    mask = InstanceMask.from_bitmap((x - 50) ** 2 + (y - 50) ** 2 < 45**2, 100, 80)
    detection = Detection("bolt", 2, 0.9, (100.0, 80.0, 200.0, 180.0), mask)
    overlay = draw_overlay(picture(), [detection])
    assert overlay.getpixel((105, 130)) == class_colour(2)  # the disc begins at 150 - 45
    assert overlay.getpixel((194, 130)) == class_colour(2)
    assert overlay.getpixel((199, 178)) == picture().getpixel((199, 178))  # the corner of the box
    dashed = draw_overlay(picture(), [], (np.array([detection.box], np.float32), ["bolt"]), [mask])
    ring = [
        dashed.getpixel((round(149.5 + 45 * np.cos(a)), round(129.5 + 45 * np.sin(a)))) for a in np.arange(0, 6, 0.1)
    ]
    assert GROUND_TRUTH in ring
    assert class_colour(2) not in ring


def test_an_annotated_object_has_a_tag_unless_one_of_its_label_is_detected_there():
    box, gt = (100.0, 80.0, 200.0, 180.0), np.array([[100, 80, 200, 180]], np.float32)
    white = {
        label: (np.asarray(draw_overlay(picture(), [Detection("bolt", 2, 0.9, box)], (gt, [label])))[182:300] == 255)
        for label in ("bolt", "nut")
    }
    assert not white["bolt"].all(axis=-1).any()
    assert white["nut"].all(axis=-1).sum() > 100


def test_crowded_objects_stay_to_be_seen_and_the_legend_says_what_was_left_out():
    rows = [(x, y) for x in range(10, 380, 20) for y in range(10, 280, 20)]
    crowd = [Detection("bolt", 2, 0.9, (float(x), float(y), x + 16.0, y + 16.0)) for x, y in rows]
    pixels = np.asarray(draw_overlay(picture(), crowd))
    assert all((pixels[y + 4 : y + 12, x + 4 : x + 12] == GREY).all() for x, y in rows if 30 < y < 250)
    # Beside the number of detections and the class, the legend says how many tags were left out.
    end, end_with_room = (
        np.flatnonzero((legend > 150).all(axis=-1).any(axis=0)).max()
        for legend in (pixels[300:], np.asarray(draw_overlay(picture(), crowd[:1]))[300:])
    )
    assert end > end_with_room + 50
