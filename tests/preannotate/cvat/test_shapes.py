"""Shapes of every kind, written here and read by the trainer: what comes back are boxes worked out by hand."""

import pytest
from support.annotation_exports import draw
from support.cvat_stand_in import key_frame, rectangle, tag, track

from preannotate.cvat.shapes import interpolate_track, shapes_of_frames
from preannotate.cvat.tasks import Job, Task
from preannotate.formats.cvat_images import read, write_tasks
from preannotate.formats.cvat_xml import CvatLabel, CvatTask
from preannotate.formats.records import Frame
from trainer.datasets import load_dataset

LABELS = {7: CvatLabel("forklift", "#ff0000", "any"), 5: CvatLabel("pallet", "#00ff00", "any")}
JOB = Job(40, 12, "annotation", "completed", "annotation", "today", frames=(0, 1, 2, 4), stop=4)
TASK = Task(12, "dock", False, 5, "today", "", 0, 1, (), (), frozenset({3}), LABELS, (JOB,))


def found(*, shapes=(), tracks=(), tags=()):
    return shapes_of_frames(TASK, JOB, {"shapes": shapes, "tracks": tracks, "tags": tags})


def as_read(tmp_path, shape):
    """What the trainer makes of one shape of CVAT's JSON."""
    frame = Frame("a.png", None, found(shapes=[shape])[shape["frame"]], declared_size=(200, 100), task_id="12")
    text = b"".join(write_tasks([frame], list(LABELS.values()), [CvatTask("12", "dock", 5)], name="p"))
    (tmp_path / "annotations.xml").write_bytes(text)
    ((read_shape,),) = (frame.shapes for frame in read(tmp_path).frames)
    return read_shape


@pytest.mark.parametrize(
    ("kind", "points", "rotation", "read_kind", "box"),
    [
        ("rectangle", [10, 20, 30, 60.5], 0, "box", (10, 20, 30, 60.5)),
        # Turned by a quarter about (20, 40): 20 wide and 40 high becomes 40 wide and 20 high.
        ("rectangle", [10, 20, 30, 60], 90, "rotated box", (0, 30, 40, 50)),
        ("polygon", [10, 10, 50, 12, 40, 60], 0, "polygon", (10, 10, 50, 60)),
        # Centre, rightmost x, topmost y: radii 20 and 10.
        ("ellipse", [100, 50, 120, 40], 0, "ellipse", (80, 40, 120, 60)),
        ("ellipse", [100, 50, 120, 40], 90, "ellipse", (90, 30, 110, 70)),
        # 0 1 1 over 1 1 0, with its left top corner at (10, 10): three wide and two high.
        ("mask", [1, 4, 1, 10, 10, 12, 11], 0, "mask", (10, 10, 13, 12)),
        # 0 0 0 over 0 1 0: one pixel.
        ("mask", [4, 1, 1, 10, 10, 12, 11], 0, "mask", (11, 11, 12, 12)),
    ],
)
def test_a_shape_becomes_the_box_around_it(tmp_path, kind, points, rotation, read_kind, box):
    shape = as_read(tmp_path, rectangle(0, 7, points, type=kind, rotation=rotation))

    assert (shape.label, shape.kind) == ("forklift", read_kind)
    assert shape.box == pytest.approx(box)
    ((direct,),) = found(shapes=[rectangle(0, 7, points, type=kind, rotation=rotation)]).values()
    assert (direct.kind, direct.box) == (read_kind, pytest.approx(box))


@pytest.mark.parametrize("kind", ["polyline", "points", "cuboid", "skeleton"])
def test_a_kind_without_a_box_is_kept_to_be_counted(tmp_path, kind):
    shape = as_read(tmp_path, rectangle(0, 7, [1.0] * 16, type=kind))

    assert (shape.kind, shape.box) == (kind, None)


@pytest.mark.parametrize(("source", "untouched"), [("auto", True), ("semi-auto", False), ("manual", False)])
def test_only_what_nobody_changed_is_automatic(tmp_path, source, untouched):
    shape = rectangle(0, 7, [1, 2, 3, 4], source=source)

    assert as_read(tmp_path, shape).automatic == untouched
    assert found(shapes=[shape])[0][0].automatic == untouched


def test_tracks_and_tags_stand_on_their_frames_and_deleted_frames_have_nothing():
    shapes = found(
        shapes=[rectangle(3, 7, [0, 0, 9, 9]), rectangle(4, 5, [0, 0, 9, 9])],
        tracks=[track(7, key_frame(2, [0, 0, 8, 8]))],
        tags=[tag(1, 5)],
    )

    assert {frame: [(shape.kind, shape.label) for shape in shapes[frame]] for frame in sorted(shapes)} == {
        1: [("tag", "pallet")],
        2: [("box", "forklift")],
        4: [("box", "pallet"), ("box", "forklift")],
    }
    assert not shapes[1][0].boxed


def test_a_track_that_a_model_made_is_automatic_on_every_frame():
    shapes = found(tracks=[track(7, key_frame(0, [0, 0, 8, 8]), source="auto")])

    assert [shapes[frame][0].automatic for frame in (0, 1, 2, 4)] == [True] * 4


def seen(found):
    """Frame to points."""
    return {shape["frame"]: shape["points"] for shape in found}


def test_between_two_key_frames_corners_go_in_straight_lines():
    found = interpolate_track(track(7, key_frame(0, [0, 0, 10, 10]), key_frame(4, [8, 4, 18, 18])), stop=4)

    assert seen(found) == {
        0: [0, 0, 10, 10],
        1: [2, 1, 12, 12],
        2: [4, 2, 14, 14],
        3: [6, 3, 16, 16],
        4: [8, 4, 18, 18],
    }


def test_after_the_last_key_frame_nothing_moves_until_the_end_of_the_job():
    found = interpolate_track(track(7, key_frame(3, [1, 2, 3, 4])), stop=5)

    assert seen(found) == {3: [1, 2, 3, 4], 4: [1, 2, 3, 4], 5: [1, 2, 3, 4]}


def test_outside_hides_the_object_until_the_next_key_frame():
    keys = (
        key_frame(0, [0, 0, 10, 10]),
        key_frame(2, [4, 0, 14, 10], outside=True),
        key_frame(5, [20, 0, 30, 10]),
        key_frame(6, [21, 0, 31, 10], outside=True),
    )

    # Frame 1 lies half way to where the object left.
    assert seen(interpolate_track(track(7, *keys), stop=9)) == {
        0: [0, 0, 10, 10],
        1: [2, 0, 12, 10],
        5: [20, 0, 30, 10],
    }


def test_an_object_that_is_outside_from_the_first_frame_on_is_never_seen():
    assert list(interpolate_track(track(7, key_frame(0, [0, 0, 1, 1], outside=True)), stop=9)) == []


def test_key_frames_behind_the_end_of_the_job_still_lead_there():
    found = interpolate_track(track(7, key_frame(0, [0, 0, 10, 10]), key_frame(10, [10, 0, 20, 10])), stop=2)

    assert seen(found) == {0: [0, 0, 10, 10], 1: [1, 0, 11, 10], 2: [2, 0, 12, 10]}


def test_a_track_of_another_part_of_the_task_is_not_seen():
    assert list(interpolate_track(track(7, key_frame(8, [0, 0, 1, 1])), stop=5)) == []


def test_a_key_frame_on_a_deleted_frame_does_not_count():
    keys = (key_frame(0, [0, 0, 10, 10]), key_frame(1, [90, 90, 99, 99]), key_frame(2, [2, 0, 12, 10]))

    assert seen(interpolate_track(track(7, *keys), stop=2, deleted={1})) == {
        0: [0, 0, 10, 10],
        1: [1, 0, 11, 10],
        2: [2, 0, 12, 10],
    }


def test_an_end_on_a_deleted_frame_does_not_count_either():
    """As in CVAT's page and exports: a deleted frame is one that is not there."""
    keys = (key_frame(0, [0, 0, 10, 10]), key_frame(1, [0, 0, 10, 10], outside=True))

    assert sorted(seen(interpolate_track(track(7, *keys), stop=2, deleted={1}))) == [0, 1, 2]


def test_key_frames_may_come_in_any_order():
    found = interpolate_track(track(7, key_frame(2, [2, 0, 3, 1]), key_frame(0, [0, 0, 1, 1])), stop=2)

    assert seen(found)[1] == [1, 0, 2, 1]


@pytest.mark.parametrize(("first", "last", "middle"), [(350, 10, 0), (10, 350, 0), (0, 90, 45), (90, 0, 45)])
def test_rotation_goes_the_shorter_way_round(first, last, middle):
    keys = (key_frame(0, [0, 0, 1, 1], rotation=first), key_frame(2, [0, 0, 1, 1], rotation=last))

    assert [shape["rotation"] for shape in interpolate_track(track(7, *keys), stop=2)] == [first, middle, last]


def test_an_ellipse_goes_in_straight_lines():
    keys = (
        key_frame(0, [10, 10, 14, 8], type="ellipse"),
        key_frame(2, [20, 10, 26, 6], type="ellipse"),
    )

    assert seen(interpolate_track(track(7, *keys), stop=2))[1] == [15, 10, 20, 7]


def test_between_polygons_lies_the_mean_of_their_boxes():
    keys = (
        key_frame(0, [0, 0, 10, 0, 5, 8], type="polygon"),
        key_frame(2, [10, 10, 30, 10, 30, 20, 10, 20], type="polygon"),
    )
    first, middle, last = interpolate_track(track(7, *keys), stop=2)

    assert (first["type"], middle["type"], last["type"]) == ("polygon", "rectangle", "polygon")
    assert middle["points"] == [5, 5, 20, 14]  # of (0, 0, 10, 8) and (10, 10, 30, 20)


def test_a_mask_stands_on_its_key_frames_only():
    keys = (key_frame(0, [0, 1, 0, 0, 0, 0], type="mask"), key_frame(2, [0, 1, 5, 5, 5, 5], type="mask"))

    assert sorted(seen(interpolate_track(track(7, *keys), stop=9))) == [0, 2]


def test_a_track_that_changes_its_kind_has_nothing_in_between():
    keys = (key_frame(0, [0, 0, 1, 1]), key_frame(3, [0, 0, 1, 0, 1, 1], type="polygon"))

    assert sorted(seen(interpolate_track(track(7, *keys), stop=4))) == [0, 3, 4]


def test_shapes_have_the_label_and_the_source_of_their_track():
    (shape,) = interpolate_track(track(7, key_frame(0, [0, 0, 1, 1]), source="auto"), stop=0)

    assert (shape["label_id"], shape["source"]) == (7, "auto")


@pytest.mark.parametrize(
    ("kind", "points", "rotation", "picture"),
    [
        ("polygon", [1, 1, 5, 1, 5, 4, 3, 4, 3, 2, 1, 2], 0, ["......", ".####.", "...##.", "...##."]),
        ("rectangle", [1, 1, 5, 3], 180, ["......", ".####.", ".####.", "......"]),
        ("ellipse", [3, 2, 6, 0], 0, [".####.", "######", "######", ".####."]),
        ("mask", [1, 4, 1, 2, 1, 4, 2], 0, ["......", "...##.", "..##..", "......"]),
        ("rectangle", [1, 1, 5, 3], 0, None),
    ],
)
def test_outlines_reach_the_training_as_masks(tmp_path, kind, points, rotation, picture):
    draw(tmp_path / "images/a.png", (6, 4))
    shape = rectangle(0, 7, points, type=kind, rotation=rotation)
    frame = Frame("a.png", None, found(shapes=[shape])[0], declared_size=(6, 4), task_id="12")
    text = b"".join(write_tasks([frame], list(LABELS.values()), [CvatTask("12", "dock", 5)], name="p"))
    (tmp_path / "annotations.xml").write_bytes(text)

    dataset = load_dataset([tmp_path], None, masks=True)
    ((mask,),) = (sample.masks for sample in dataset.samples)
    assert (mask and ["".join(".#"[int(value)] for value in row) for row in mask.to_image((6, 4))]) == picture
    assert dataset.health.load_report.label_types == {"forklift": "any", "pallet": "any"}
