"""Training step and inference of every model relative to SSD-MobileNet-v2, for `preannotate models`.

    python benchmarks/models.py                       # all models: some minutes each for the large ones
    python benchmarks/models.py --models frcnn-nas    # the others stay as they were measured

Each model is timed in a process of its own, in blocks that alternate with the reference: a machine that slows down
slows both. Training is a step of fine-tuning with a thawed backbone on one repeated batch; inference is that of the
IR by the engine that serves, one image at a time. Weights are random: they do not change the time. Written to
trainer/models/measured.json, with the seconds that a training step of the reference takes for each image if nothing
else runs (its CPU time, divided by the cores), and the memory that trainings took (benchmarks/results/accuracy.json).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from results import describe_machine

from runtime import processors

REFERENCE = "ssd-mobilenet-v2"
RESULTS = Path(__file__).parents[1] / "trainer" / "models" / "measured.json"
ACCURACY = Path(__file__).parent / "results" / "accuracy.json"
NUM_CLASSES, BATCH_SIZE = 4, 4
INPUT_SIZE = (320, 320)
BLOCKS = 3
# Long enough that a block of the reference is not over before the clock has moved much.
REFERENCE_STEPS, REFERENCE_INFERENCES = 3, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", help="default: all")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if options.one:
        print(json.dumps(_measure(options.one)))
        return
    from trainer.models import MODELS

    known = json.loads(RESULTS.read_text())["models"] if RESULTS.exists() else {}
    for name in options.models or MODELS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        done = subprocess.run([sys.executable, __file__, "--one", name], stdout=subprocess.PIPE, text=True, check=True)
        known[name] = json.loads(done.stdout.splitlines()[-1])
        print(known[name], file=sys.stderr, flush=True)
    content = {
        "relative_to": REFERENCE,
        "input_size": INPUT_SIZE,
        "batch_size": BATCH_SIZE,
        "machine": describe_machine(),
        "seconds_per_image": known[REFERENCE]["seconds_per_image"],
        "models": {name: known[name] | memory(name) for name in MODELS if name in known},
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def memory(name: str) -> dict[str, float]:
    """Most memory of a training, if it was measured."""
    peaks = [max(one["peak_memory_gb"]) for one in json.loads(ACCURACY.read_text()) if one.get("model") == name]
    return {"memory_gb": max(peaks)} if peaks else {}


def _measure(name: str) -> dict[str, float]:
    parameters, train, infer = _build(name)
    if name == REFERENCE:
        seconds = min(_cpu_seconds(train, 1) for _ in range(2 + BLOCKS * REFERENCE_STEPS)) / processors.cores()
        return {
            "parameters": parameters,
            "training": 1.0,
            "inference": 1.0,
            "seconds_per_image": round(seconds / BATCH_SIZE, 4),
        }
    _, train_reference, infer_reference = _build(REFERENCE)
    return {
        "parameters": parameters,
        "training": round(_relative(train, train_reference, REFERENCE_STEPS, _cpu_seconds), 2),
        "inference": round(_relative(infer, infer_reference, REFERENCE_INFERENCES, _seconds), 2),
    }


def _relative(
    run: Callable[[], None],
    reference: Callable[[], None],
    repeats: int,
    seconds: Callable[[Callable[[], None], int], float],
) -> float:
    """Time of `run` over that of `reference`; slow ones run less often."""
    for warm_up in (run, reference):
        warm_up()
        warm_up()
    slower = max(seconds(run, 1) / seconds(reference, 1), 1.0)
    often = max(round(repeats / slower), 1)
    ratios = [(seconds(run, often) / often) / (seconds(reference, repeats) / repeats) for _ in range(BLOCKS)]
    return sorted(ratios)[BLOCKS // 2]


def _seconds(run: Callable[[], None], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        run()
    return time.perf_counter() - started


def _cpu_seconds(run: Callable[[], None], times: int) -> float:
    """Of all threads together: a training keeps its cores busy, and other work on the machine does not count."""
    started = time.process_time()
    for _ in range(times):
        run()
    return time.process_time() - started


def _build(name: str) -> tuple[int, Callable[[], None], Callable[[], None]]:
    """Number of weights, one training step, one inference."""
    import numpy as np
    import tensorflow as tf

    from trainer.arguments.defaults import resolve_arguments
    from trainer.arguments.facts import TrainingFacts
    from trainer.input_size import InputSize
    from trainer.models import MODELS
    from trainer.network_trainer import NetworkTrainer

    family = MODELS[name]
    alpha = family.backbone.alpha

    def network():
        backbone = family.build_backbone(input_size=INPUT_SIZE, alpha=alpha)
        return family.build(num_classes=NUM_CLASSES, input_size=INPUT_SIZE, aspects=(1.0,), backbone=backbone)

    ema_network, trained = network(), network()
    facts = TrainingFacts(images=100, input_size=InputSize(INPUT_SIZE), pretrained=True, alpha=alpha)
    config = resolve_arguments({}, family.defaults, facts)
    network_trainer = NetworkTrainer(
        trained, ema_network, config, pretrained=True, strategy=tf.distribute.get_strategy()
    )
    rng = np.random.default_rng(0)
    width, height = INPUT_SIZE
    boxes = np.array([[20, 30, 90, 120], [150, 100, 300, 280], [40, 200, 70, 230]], np.float32)
    targets = ema_network.targets(boxes, np.arange(len(boxes)), rng)
    batch = {key: tf.convert_to_tensor(np.stack([value] * BATCH_SIZE)) for key, value in targets.items()}
    batch["pixels"] = tf.convert_to_tensor(rng.integers(0, 256, (BATCH_SIZE, height, width, 3), np.uint8))
    engine = _engine(ema_network)
    pixels = rng.integers(0, 256, (1, height, width, 3), np.uint8)
    return (
        ema_network.keras_model.count_params(),
        lambda: network_trainer.train_step(batch, progress=0.5, backbone_frozen=False),
        lambda: engine.run(pixels),
    )


def _engine(network):
    from builder import openvino_ir
    from runtime.engines.openvino import load
    from trainer.export import save_graph

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_graph(network, folder / "saved_model")
        openvino_ir.convert(folder, folder, network.input_size)
        return load(folder)


if __name__ == "__main__":
    main()
