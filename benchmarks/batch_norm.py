"""A training step with Keras's batch normalisation against the fused one, in one run.

    python benchmarks/batch_norm.py

MobileNetV2 with alpha 0.35 from random weights at 256x192, batch 16; CPU seconds, which other work on the machine
disturbs least.
"""

import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from results import describe_machine

from trainer.models.batch_norm import with_fused_batch_norm

BATCH, STEPS, ROUNDS = 16, 5, 4


def main() -> None:
    original = keras.applications.MobileNetV2((192, 256, 3), alpha=0.35, include_top=False, weights=None)
    steps = {"keras": _step(original), "fused": _step(with_fused_batch_norm(original))}
    seconds = dict.fromkeys(steps, 0.0)
    for _ in range(ROUNDS):
        for name, step in steps.items():
            started = time.process_time()
            for _ in range(STEPS):
                step()
            seconds[name] += time.process_time() - started
    images = BATCH * STEPS * ROUNDS
    result = {
        **{f"cpu_ms_per_image_{name}": round(total / images * 1000, 1) for name, total in seconds.items()},
        "ratio": round(seconds["keras"] / seconds["fused"], 2),
        "machine": describe_machine(),
    }
    print(json.dumps(result, indent=1))


def _step(model: keras.Model):
    pixels = tf.constant(np.random.default_rng(0).normal(size=(BATCH, 192, 256, 3)).astype(np.float32))
    variables = model.trainable_variables
    optimizer = keras.optimizers.AdamW(1e-3)
    optimizer.build(variables)

    @tf.function(jit_compile=False)
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(pixels, training=True) ** 2)
        optimizer.apply(tape.gradient(loss, variables), variables)

    step()
    return step


if __name__ == "__main__":
    main()
