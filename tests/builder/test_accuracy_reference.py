"""What counts as true on the frozen images."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from builder.proof import accuracy_reference
from evaluation.ground_truth import AnnotatedImage, GroundTruth
from evaluation.reference import Reference
from runtime.detector import Detection
from runtime.manifest import Manifest, Postprocess

MANIFEST = Manifest("any", ("cat", "dog"), (32, 32), Postprocess(0.5, (0.5, 0.2)))
REFERENCE = Reference(
    "any", [[], [Detection("cat", 0, 0.4, (0, 0, 8, 8)), Detection("dog", 1, 0.2, (1.0, 2.0, 3.0, 4.0))]]
)


def image(name, boxes):
    return AnnotatedImage(name, name, (32, 32), np.float32(boxes).reshape(-1, 4), np.zeros(len(boxes), np.int64))


def test_annotations_count_even_if_one_image_has_none():
    truth = GroundTruth(Path(), MANIFEST.labels, (image("a", []), image("b", [[0, 0, 4, 4]])))
    assert accuracy_reference(truth, REFERENCE, MANIFEST) is truth


def test_where_nobody_annotated_the_reference_stands_in_from_its_thresholds_on():
    truth = GroundTruth(Path(), MANIFEST.labels, (image("a", []), image("b", [])))
    found = accuracy_reference(truth, REFERENCE, MANIFEST)
    assert found is not truth
    first, second = found.images
    assert len(first.boxes) == 0
    assert (second.boxes.tolist(), second.class_ids.tolist()) == ([[1, 2, 3, 4]], [1])


def test_one_object_counts_once_if_the_function_shows_one_box():
    found = [Detection("cat", 0, 0.6, (0, 0, 8, 8)), Detection("dog", 1, 0.5, (0, 0, 8, 8))]
    truth = GroundTruth(Path(), MANIFEST.labels, (image("a", []),))
    one_box = replace(MANIFEST, postprocess=replace(MANIFEST.postprocess, agnostic_iou_threshold=0.8))

    assert accuracy_reference(truth, Reference("any", [found]), MANIFEST).images[0].class_ids.tolist() == [0, 1]
    assert accuracy_reference(truth, Reference("any", [found]), one_box).images[0].class_ids.tolist() == [0]
