"""Training speed on real, augmented images against the speed on one repeated batch, in one run.

    python benchmarks/input_pipeline.py EXPORT --base-model none --arguments batch_size=16

1.0 means that decoding, augmenting and assigning cost no time beside the training step.
"""

import argparse
import itertools
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from results import describe_machine

from trainer import backbone_weights, datasets
from trainer.arguments import parse_arguments
from trainer.arguments.defaults import resolve_arguments
from trainer.arguments.facts import TrainingFacts
from trainer.augment import STRENGTHS
from trainer.config import parse_size
from trainer.input_pipeline import Epoch, ImageCache, batches
from trainer.input_size import InputSize
from trainer.models import MODELS
from trainer.network_trainer import NetworkTrainer
from trainer.request import TrainingRequest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path)
    parser.add_argument("--model", default="ssd-mobilenet-v2")
    parser.add_argument("--base-model", default="none")
    parser.add_argument("--arguments", default="image_size=320")
    parser.add_argument("--steps", type=int, default=30, help="timed steps of each kind")
    options = parser.parse_args()
    requested = TrainingRequest(exports=(options.export,), overrides=parse_arguments(options.arguments))
    family = MODELS[options.model]
    base = backbone_weights.resolve(options.base_model, alpha=requested.config.alpha, backbone=family.backbone)
    size = parse_size(requested.config.image_size or "") or (320, 320)
    with tempfile.TemporaryDirectory() as store:
        dataset = datasets.load_dataset([options.export], Path(store))
        facts = TrainingFacts(
            images=len(dataset.samples), input_size=InputSize(size), pretrained=base.pretrained, alpha=base.alpha
        )
        config = resolve_arguments(requested.overrides, family.defaults, facts)
        networks = [
            family.build(
                num_classes=len(dataset.labels),
                input_size=size,
                aspects=(1.0,),
                backbone=family.build_backbone(input_size=size, alpha=base.alpha),
            )
            for _ in range(2)
        ]
        strategy = tf.distribute.get_strategy()
        network_trainer = NetworkTrainer(*networks, config, pretrained=base.pretrained, strategy=strategy)
        images = ImageCache(dataset.samples, size, exact=False)

        def real():
            for number in itertools.count():
                epoch = Epoch(0, number, config.batch_size, STRENGTHS[config.augment])
                yield from batches(images, networks[0], epoch)

        stream = real()
        for _ in range(3):  # compile, and fill the cache of decoded images
            fixed = _learn(network_trainer, next(stream))
        for _ in range(len(dataset.samples) // config.batch_size):
            next(stream)
        # Alternating blocks: a machine that slows down slows both.
        seconds = {"real": 0.0, "repeated": 0.0}
        blocks = 5
        for _ in range(blocks):
            seconds["real"] += _timed(network_trainer, stream, options.steps // blocks)
            seconds["repeated"] += _timed(network_trainer, itertools.repeat(fixed), options.steps // blocks)
    done = options.steps // blocks * blocks * config.batch_size
    result = {
        "images_per_second_real": round(done / seconds["real"], 1),
        "images_per_second_repeated": round(done / seconds["repeated"], 1),
        "ratio": round(seconds["repeated"] / seconds["real"], 3),
        "alpha": base.alpha,
        "machine": describe_machine(),
    }
    print(json.dumps(result, indent=1))


def _timed(network_trainer: NetworkTrainer, stream, steps: int) -> float:
    started = time.monotonic()
    for _ in range(steps):
        _learn(network_trainer, next(stream))
    return time.monotonic() - started


def _learn(network_trainer: NetworkTrainer, batch):
    batch = {name: value for name, value in batch.items() if name != "index"}
    network_trainer.train_step(batch, progress=0.5, backbone_frozen=False)
    return batch


if __name__ == "__main__":
    main()
