import numpy as np

from evaluation.corrections import Corrections
from evaluation.ground_truth import AnnotatedImage
from evaluation.object_sizes import corrections_by_size, size_bands
from runtime.detector import Detection
from runtime.manifest import Postprocess
from runtime.masks import InstanceMask


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


def test_missed_and_loose_outlines_count_as_outlines_in_their_size():
    missed, drawn_as_box = (0.0, 0.0, 20.0, 20.0), (30.0, 0.0, 50.0, 20.0)
    loose = (100.0, 100.0, 200.0, 200.0)
    masks = (InstanceMask.from_bitmap(np.ones((20, 20))), None, InstanceMask.from_bitmap(np.ones((100, 100)), 100, 100))
    image = AnnotatedImage("", "", (320, 320), np.float32([missed, drawn_as_box, loose]), np.array([0, 0, 0]), masks)
    half = InstanceMask.from_bitmap(np.ones((50, 100)), 100, 100)

    small, medium, large = corrections_by_size(
        [image], [[Detection("a", 0, 0.9, loose, half)]], Postprocess(0.5, (0.5,)), (320, 320)
    )

    assert small.corrections == Corrections(missed=2, missed_outlines=1)
    assert medium.corrections == Corrections()
    assert large.corrections == Corrections(shown=1, loose=1, loose_outlines=1)
