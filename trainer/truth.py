"""A sample of a dataset as the ground truth that evaluation speaks of."""

from evaluation.ground_truth import AnnotatedImage
from trainer.datasets.sample import Sample


def annotated(sample: Sample, file: str) -> AnnotatedImage:
    """The sample with its image in `file`, a path relative to the ground truth's folder."""
    return AnnotatedImage(sample.name, file, sample.image_size, sample.boxes, sample.class_ids)
