"""A training step of Faster R-CNN or Mask R-CNN against what cannot be less.

    python benchmarks/faster_rcnn_step.py EXPORT --model frcnn-resnet50 --arguments image_size=256x192
    python benchmarks/faster_rcnn_step.py EXPORT --model mask-rcnn-resnet50 --arguments image_size=256x192

The step decodes, augments, makes targets, proposes, suppresses, draws, computes losses, updates the weights and their
average, on real photos. Of Faster R-CNN it is compared with forward and backward of its layers on random data: the
backbone, the pyramid and the heads of both stages, with gradients for all their weights, and nothing else. Of Mask
R-CNN, whose export needs polygons or masks, with the whole step of Faster R-CNN on the same photos plus forward and
backward of the layers of masks on random data. All take turns in one run: a machine that slows down slows all.
"""

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from results import describe_machine

from trainer import datasets
from trainer.arguments import defaults, parse_arguments
from trainer.arguments.facts import TrainingFacts
from trainer.augment import STRENGTHS
from trainer.config import parse_size
from trainer.input_pipeline import Epoch, ImageCache, batches
from trainer.input_size import InputSize
from trainer.models import MODELS
from trainer.models.faster_rcnn import FasterRcnnNetwork, MaskRcnnNetwork, sampling
from trainer.network_trainer import NetworkTrainer

BOXES_ONLY = {"mask-rcnn-resnet50": "frcnn-resnet50", "mask-rcnn-resnet101": "frcnn-resnet101"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path)
    parser.add_argument("--model", default="frcnn-resnet50")
    parser.add_argument("--arguments", default="image_size=256x192")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each kind")
    parser.add_argument("--block", type=int, default=2, help="steps of one kind before the other's turn")
    options = parser.parse_args()
    overrides = parse_arguments(options.arguments)
    size = parse_size(overrides["image_size"])
    with tempfile.TemporaryDirectory() as store:
        dataset = datasets.load_dataset([options.export], Path(store), masks=options.model in BOXES_ONLY)
        step, network, config = _step(options.model, dataset, overrides, size)
        kinds = {"step": step}
        if isinstance(network, MaskRcnnNetwork):
            kinds["faster_rcnn_step"], *_ = _step(BOXES_ONLY[options.model], dataset, overrides, size)
            kinds["mask_layers"] = _mask_layers(network, config.batch_size)
        else:
            kinds["layers"] = _layers(network, config.batch_size)
        for run in [*kinds.values()] * 2:  # compile
            run()
        seconds = {kind: [] for kind in kinds}
        for _ in range(options.steps // options.block):
            for kind, run in kinds.items():
                seconds[kind] += [_timed(run) for _ in range(options.block)]
    medians = {kind: float(np.median(values)) for kind, values in seconds.items()}
    result = {
        "model": options.model,
        "input_size": list(size),
        "batch_size": config.batch_size,
        "ratio": _ratio({kind: sum(values) for kind, values in seconds.items()}),
        "ratio_of_medians": _ratio(medians),
        **{f"{kind}_seconds": round(value, 3) for kind, value in medians.items()},
        "machine": describe_machine(),
    }
    print(json.dumps(result, indent=1))


def _ratio(seconds: dict[str, float]) -> float:
    """The step by the sum of all that it is compared with."""
    return round(seconds["step"] / sum(value for kind, value in seconds.items() if kind != "step"), 3)


def _step(model: str, dataset, overrides, size: tuple[int, int]):
    """Return a function that does one step, the network and the arguments; all images are decoded already."""
    family = MODELS[model]
    facts = TrainingFacts(images=len(dataset.samples), input_size=InputSize(size), pretrained=False, alpha=1.0)
    config = defaults.resolve_arguments(overrides, family.defaults, facts)
    network, average = (_build(family, len(dataset.labels), size) for _ in range(2))
    network_trainer = NetworkTrainer(network, average, config, pretrained=False, strategy=tf.distribute.get_strategy())
    stream = _real(ImageCache(dataset.samples, size, exact=False), network, config)
    for _ in range(-(-len(dataset.samples) // config.batch_size)):
        next(stream)  # fills the cache of decoded images

    def step() -> None:
        batch = {name: value for name, value in next(stream).items() if name != "index"}
        network_trainer.train_step(batch, progress=0.5, backbone_frozen=False)

    return step, network, config


def _build(family, num_classes: int, size: tuple[int, int]) -> FasterRcnnNetwork:
    backbone = family.build_backbone(input_size=size, alpha=1.0)
    return family.build(num_classes=num_classes, input_size=size, aspects=(1.0,), backbone=backbone)


def _real(images: ImageCache, network: FasterRcnnNetwork, config):
    for number in itertools.count():
        yield from batches(images, network, Epoch(0, number, config.batch_size, STRENGTHS[config.augment]))


def _layers(network: FasterRcnnNetwork, batch_size: int) -> Callable[[], None]:
    """Forward and backward of everything that has weights, with as many boxes in the second stage as in training."""
    width, height = network.input_size
    rng = np.random.default_rng(0)
    pixels = tf.constant(rng.integers(0, 256, (batch_size, height, width, 3), np.uint8))
    channels = network.second_stage.input_shape[-1]
    crops = tf.constant(rng.random((batch_size, sampling.SAMPLES, channels), np.float32))
    return _forward_and_backward(
        lambda: [*network.first_stage(pixels, training=True), *network.second_stage(crops, training=True)],
        [variable.value for variable in network.keras_model.trainable_variables],
    )


def _mask_layers(network: MaskRcnnNetwork, batch_size: int) -> Callable[[], None]:
    """The same of the layers of masks, with as many boxes as in training; their input has a gradient, too."""
    shape = (batch_size * sampling.POSITIVES, *network.mask_stage.input_shape[1:])
    crops = tf.Variable(np.random.default_rng(0).random(shape, np.float32))
    variables = [*(variable.value for variable in network.mask_stage.trainable_variables), crops]
    return _forward_and_backward(lambda: [network.mask_stage(crops, training=True)], variables)


def _forward_and_backward(forward: Callable[[], list[tf.Tensor]], variables: list[tf.Variable]) -> Callable[[], None]:
    """Return a function that computes outputs and the gradients of their means."""

    @tf.function(jit_compile=False)
    def run() -> list[tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            total = tf.add_n([tf.reduce_mean(answer) for answer in forward()])
        # One number of each gradient: all are computed, and none is copied out.
        return [gradient[(0,) * len(gradient.shape)] for gradient in tape.gradient(total, variables)]

    return lambda: run()[0].numpy()


def _timed(run: Callable[[], None]) -> float:
    started = time.monotonic()
    run()
    return time.monotonic() - started


if __name__ == "__main__":
    main()
