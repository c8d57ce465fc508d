import numpy as np

from evaluation.corrections import Corrections
from evaluation.ground_truth import AnnotatedImage
from evaluation.object_sizes import corrections_by_size, size_bands
from runtime.detector import Detection
from runtime.manifest import Postprocess


def test_sizes_are_those_in_the_networks_input():
    # 1000 x 1000 into 500 x 500: sides are halved, and the limits are 32 and 96.
    boxes = np.float32([[0, 0, 62, 62], [0, 0, 64, 64], [0, 0, 190, 190], [0, 0, 192, 192], [0, 0, 16, 256]])

    assert size_bands(boxes, (1000, 1000), (500, 500)).tolist() == [0, 1, 1, 2, 1]


def test_each_object_and_each_false_box_counts_in_its_size():
    small, large = (0.0, 0.0, 20.0, 20.0), (100.0, 100.0, 300.0, 300.0)
    image = AnnotatedImage("", "", (320, 320), np.float32([small, large]), np.array([0, 0]))
    found = [Detection("a", 0, 0.9, large), Detection("a", 0, 0.9, (30.0, 0.0, 80.0, 50.0))]

    bands = corrections_by_size([image], [found], Postprocess(0.5, (0.5,)), (320, 320))

    assert [(band.name, band.boxes) for band in bands] == [("small", 1), ("medium", 0), ("large", 1)]
    assert [band.corrections for band in bands] == [
        Corrections(missed=1),
        Corrections(shown=1, false=1),
        Corrections(shown=1, right=1),
    ]
