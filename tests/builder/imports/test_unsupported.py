import pytest

from builder.imports.unsupported import is_raw_levels, recognise

SIZE = (640, 480)
# Cells of 8, 16 and 32 pixels.
ROWS = 80 * 60 + 40 * 30 + 20 * 15
SEGMENTATION = "a segmentation network"
POSE = "a pose network (keypoints)"
ORIENTED = "a network of oriented boxes (OBB)"
CLASSIFICATION = "a classification network, which has no boxes"


@pytest.mark.parametrize(
    ("task", "kind"),
    [("segment", SEGMENTATION), ("pose", POSE), ("obb", ORIENTED), ("classify", CLASSIFICATION), ("detect", "")],
)
def test_the_task_that_the_exporter_wrote_decides(task, kind):
    outputs = {"output0": (1, 4 + 2 + 32, ROWS)}
    assert recognise(outputs, SIZE, {"task": task}, 2) == kind


@pytest.mark.parametrize(
    ("outputs", "kind"),
    [
        ({"output0": (1, 4 + 2 + 32, ROWS), "output1": (1, 32, 120, 160)}, SEGMENTATION),
        ({"output0": (1, 3 * ROWS, 5 + 2 + 32), "output1": (1, 32, 120, 160)}, SEGMENTATION),
        ({"output0": (1, 300, 6 + 32), "output1": (1, 32, 120, 160)}, SEGMENTATION),
        ({"logits": (1, 21, 480, 640)}, SEGMENTATION),
        ({"boxes": (1, 100, 4), "labels": (1, 100), "scores": (1, 100), "masks": (1, 100, 28, 28)}, SEGMENTATION),
        ({"output0": (1, 4 + 2 + 51, ROWS)}, POSE),
        ({"output0": (1, ROWS, 4 + 2 + 51)}, POSE),
        ({"output0": (1, 300, 6 + 51)}, POSE),
        ({"boxes": (1, 100, 4), "keypoints": (1, 100, 17, 3)}, POSE),
        ({"logits": (1, 1000)}, CLASSIFICATION),
        ({"hm": (1, 1, 120, 160), "wh": (1, 4, 120, 160), "embedding": (1, 128, 120, 160)}, "a tracking network (re-"),
        ({"output0": (1, 4 + 2, ROWS)}, ""),
        ({"output0": (1, ROWS, 4 + 2)}, ""),
        ({"output0": (1, 300, 6)}, ""),
        ({"output": (-1, 7)}, ""),
        ({"758": (1, 7, 30, 40)}, ""),
    ],
)
def test_without_a_task_the_shapes_and_names_of_outputs_tell_it(outputs, kind):
    assert recognise(outputs, SIZE, {}, 2).startswith(kind)
    assert bool(recognise(outputs, SIZE, {}, 2)) == bool(kind)


def test_as_many_columns_as_labels_are_classes():
    assert recognise({"output0": (1, 4 + 53, ROWS)}, SIZE, {}, 53) == ""


def test_feature_levels_without_decoding():
    levels = {f"level{stride}": (1, 255, 480 // stride, 640 // stride) for stride in (8, 16, 32)}
    split = {f"level{stride}": (1, 3, 480 // stride, 640 // stride, 7) for stride in (8, 16, 32)}
    assert is_raw_levels(levels, SIZE)
    assert is_raw_levels(split, SIZE)
    assert not is_raw_levels({"output0": (1, 6, ROWS)}, SIZE)
