import numpy as np

from evaluation.confusion import confusion_matrix
from evaluation.ground_truth import AnnotatedImage
from runtime.detector import Detection


def at(x):
    return (float(x), 0.0, float(x + 10), 10.0)


def test_every_object_and_every_shown_box_has_one_cell():
    gt = AnnotatedImage("", "", (200, 100), np.float32([at(0), at(20), at(40), at(60)]), np.array([0, 0, 1, 1]))
    found = [
        Detection("a", 0, 0.9, at(0)),  # right
        Detection("b", 1, 0.9, at(20)),  # a taken for b
        Detection("b", 1, 0.9, at(40)),  # right
        Detection("a", 0, 0.9, at(100)),  # false
        Detection("b", 1, 0.2, at(60)),  # below the threshold: missed
    ]

    matrix = confusion_matrix(2, [gt], [found], (0.5, 0.5))

    assert matrix.tolist() == [
        [1, 1, 0],
        [0, 1, 1],
        [1, 0, 0],
    ]
