"""Images a second in training: a whole step here, and the same layers in PyTorch, which this project does not need.

    pip install torch            # only for this comparison; in an environment of your own
    python benchmarks/training_speed.py --model yolox-nano --size 416 --batch 8
    python benchmarks/training_speed.py --without-torch

Three things are timed on the same random batch, in blocks that alternate, so that a machine that slows down slows all:
the step of `preannotate train` with assignment, losses, two optimizers and averaged weights; the layers alone in
TensorFlow (forward, backward, AdamW); and the same in PyTorch, as it comes and with channels last, in a process of its
own (both libraries in one end it). The fastest block of each counts: others were disturbed by other work.
The PyTorch module is made from the Keras model layer by layer, and the outputs of both are compared first. In PyTorch
there is no assignment and no average of weights: the first figure divided by the third is a lower bound. `--name`
appends the figures to benchmarks/results/training_speed.json.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from results import describe_machine, report

NUM_CLASSES = 3
# Outputs of the two differ by the order in which sums are taken.
TOLERANCE = 1e-3
LAYOUTS = ("contiguous_format", "channels_last")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="yolox-nano", choices=["yolox-nano", "yolox-tiny", "yolox-s"])
    parser.add_argument("--size", type=int, default=416, help="side of the input, a multiple of 32")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--blocks", type=int, default=5, help="of each kind; the fastest counts")
    parser.add_argument("--steps", type=int, default=5, help="of a block")
    parser.add_argument("--without-torch", action="store_true")
    parser.add_argument("--torch-worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--name", help="append the figures to the results under this name")
    options = parser.parse_args()
    if options.torch_worker:
        _torch_worker(options.torch_worker)
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    kinds = _tensorflow_blocks(options)
    with tempfile.TemporaryDirectory() as folder:
        if not options.without_torch:
            kinds |= _torch_blocks(options, Path(folder) / "plan")
        rates = _alternate(kinds, options)
    figures: dict[str, Any] = {
        "model": options.model,
        "input_size": options.size,
        "batch_size": options.batch,
        "images_per_second": {name: round(max(of_kind), 2) for name, of_kind in rates.items()},
        "blocks": {name: [round(rate, 2) for rate in of_kind] for name, of_kind in rates.items()},
        "load": round(os.getloadavg()[0] / len(os.sched_getaffinity(0)), 1),
        "machine": describe_machine(),
    }
    ours = figures["images_per_second"]["step of preannotate train"]
    torch_rates = [rate for name, rate in figures["images_per_second"].items() if name.startswith("PyTorch")]
    if torch_rates:
        figures["relative_to_pytorch"] = round(ours / max(torch_rates), 2)
    report(figures, "training_speed.json", options.name)


def _alternate(kinds: dict[str, Callable[[int], float]], options: argparse.Namespace) -> dict[str, list[float]]:
    """Return images a second of each block of each kind."""
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    for seconds in kinds.values():
        seconds(2)  # the first steps compile
    for _ in range(options.blocks):
        for name, seconds in kinds.items():
            rates[name].append(options.batch * options.steps / seconds(options.steps))
    return rates


def _timed(step: Callable[[], object]) -> Callable[[int], float]:
    """Return a function of a number of steps: how many seconds they take."""

    def seconds(steps: int) -> float:
        started = time.perf_counter()
        for _ in range(steps):
            step()
        return time.perf_counter() - started

    return seconds


def _images(options: argparse.Namespace) -> np.ndarray:
    shape = (options.batch, options.size, options.size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _layers_alone(options: argparse.Namespace) -> Any:
    """Return the network as one flat Keras model of float32 pixels, with the same random weights at each call."""
    import keras

    from trainer.models.yolox import architecture

    keras.utils.set_random_seed(0)
    size = architecture.SIZES[options.model.removeprefix("yolox-")]
    backbone = architecture.build_backbone(size, (options.size, options.size))
    outputs = architecture.build_detector(size, backbone.outputs, NUM_CLASSES, -4.6)
    return keras.Model(backbone.inputs, outputs)


def _tensorflow_blocks(options: argparse.Namespace) -> dict[str, Callable[[int], float]]:
    import keras
    import tensorflow as tf

    from trainer.arguments.defaults import resolve_arguments
    from trainer.arguments.facts import TrainingFacts
    from trainer.input_size import InputSize
    from trainer.models import MODELS
    from trainer.network_trainer import NetworkTrainer

    family, input_size = MODELS[options.model], (options.size, options.size)

    def network() -> Any:
        backbone = family.build_backbone(input_size=input_size, alpha=1.0)
        return family.build(num_classes=NUM_CLASSES, input_size=input_size, aspects=(1.0,), backbone=backbone)

    ema_network, trained = network(), network()
    facts = TrainingFacts(images=100, input_size=InputSize(input_size), pretrained=True, alpha=1.0)
    config = resolve_arguments({}, family.defaults, facts)
    whole = NetworkTrainer(trained, ema_network, config, pretrained=True, strategy=tf.distribute.get_strategy())
    boxes = np.array([[20, 30, 90, 120], [150, 100, 300, 280], [40, 200, 70, 230]], np.float32)
    targets = ema_network.targets(boxes, np.arange(len(boxes)), np.random.default_rng(0))
    batch = {key: tf.convert_to_tensor(np.stack([value] * options.batch)) for key, value in targets.items()}
    batch["pixels"] = tf.convert_to_tensor(_images(options))

    model, optimizer = _layers_alone(options), keras.optimizers.AdamW(1e-4)
    pixels = tf.cast(batch["pixels"], tf.float32)

    @tf.function
    def layers_alone() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.add_n([tf.reduce_mean(tf.square(output)) for output in model(pixels, training=True)])
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return {
        "step of preannotate train": _timed(lambda: whole.train_step(batch, progress=0.5, backbone_frozen=False)),
        "layers alone": _timed(lambda: float(layers_alone())),
    }


def _torch_blocks(options: argparse.Namespace, file: Path) -> dict[str, Callable[[int], float]]:
    """Start the process that trains in PyTorch; each block is a line to it, and a line with the seconds from it."""
    model = _layers_alone(options)
    pixels = _images(options).astype(np.float32)
    expected = [np.asarray(output) for output in model([pixels[:1]], training=False)]
    plan = [_describe(operation) for operation in model.operations if operation._inbound_nodes[0].input_tensors]
    ends = [id(model.inputs[0])], [id(output) for output in model.outputs]
    file.write_bytes(pickle.dumps((plan, ends, pixels, expected)))
    command = [sys.executable, __file__, "--torch-worker", str(file)]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def block(layout: str) -> Callable[[int], float]:
        def seconds(steps: int) -> float:
            print(layout, steps, file=worker.stdin, flush=True)
            return float(worker.stdout.readline())

        return seconds

    return {f"PyTorch, layers alone, {layout}": block(layout) for layout in LAYOUTS}


def _describe(layer: Any) -> tuple[str, dict[str, Any], list[np.ndarray], list[int], int]:
    """Return kind, options, weights, inputs and output of a Keras layer, without Keras.

    Raises:
        NotImplementedError: A layer that YOLOX does not have.
    """
    kind, node = type(layer).__name__, layer._inbound_nodes[0]
    options: dict[str, Any] = {}
    if kind in ("Conv2D", "DepthwiseConv2D"):
        options = {"strides": layer.strides, "same": layer.padding == "same", "bias": layer.use_bias}
    elif kind == "BatchNormalization":
        options = {"eps": layer.epsilon, "momentum": 1 - layer.momentum}
    elif kind == "MaxPooling2D":
        options = {"size": layer.pool_size[0]}
    elif kind == "ZeroPadding2D":
        options = {"padding": layer.padding}
    elif kind not in ("Reshape", "Concatenate", "Focus", "Activation", "Add", "UpSampling2D"):
        raise NotImplementedError(f"{kind} ({layer.name})")
    inputs = [id(tensor) for tensor in node.input_tensors]
    return kind, options, layer.get_weights(), inputs, id(node.output_tensors[0])


def _torch_worker(file: Path) -> None:
    """Train in PyTorch: lines of a memory layout and a number of steps in, their seconds out."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    plan, ends, pixels, expected = pickle.loads(file.read_bytes())
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    with torch.no_grad():
        found = _translate(plan, *ends).eval()(batch[:1])
    apart = max(float(np.abs(ours - theirs.numpy()).max()) for ours, theirs in zip(expected, found, strict=True))
    if apart > TOLERANCE:
        sys.exit(f"the PyTorch module: {apart:.2g} from the Keras model; expected at most {TOLERANCE}.")
    blocks = {}
    for layout in LAYOUTS:
        memory_format = getattr(torch, layout)
        network = _translate(plan, *ends).train().to(memory_format=memory_format)
        blocks[layout] = _timed(_torch_step(network, batch.contiguous(memory_format=memory_format)))
    for line in sys.stdin:
        layout, steps = line.split()
        print(blocks[layout](int(steps)), flush=True)


def _torch_step(network: Any, batch: Any) -> Callable[[], float]:
    import torch

    optimizer = torch.optim.AdamW(network.parameters(), 1e-4)

    def step() -> float:
        optimizer.zero_grad()
        loss = sum(output.square().mean() for output in network(batch))
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def _translate(plan: Sequence[Any], inputs: Sequence[int], outputs: Sequence[int]) -> Any:
    """Return a torch module with the described layers and weights: images (B, C, H, W) to its outputs."""
    import torch

    class Translated(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = [(_to_torch(*layer[:3]), *layer[3:]) for layer in plan]
            self.parts = torch.nn.ModuleList([call for call, *_ in self.calls if isinstance(call, torch.nn.Module)])

        def forward(self, pixels: Any) -> list[Any]:
            values = {inputs[0]: pixels}
            for call, sources, output in self.calls:
                values[output] = call(*(values[source] for source in sources))
            return [values[output] for output in outputs]

    return Translated()


def _to_torch(kind: str, options: dict[str, Any], weights: Sequence[np.ndarray]) -> Callable[..., Any]:
    import torch
    from torch.nn import functional

    if kind in ("Conv2D", "DepthwiseConv2D"):
        return _convolution(weights, depthwise=kind == "DepthwiseConv2D", **options)
    if kind == "BatchNormalization":
        norm = torch.nn.BatchNorm2d(len(weights[0]), **options)
        targets = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        for target, source in zip(targets, weights, strict=True):
            target.data.copy_(torch.from_numpy(source))
        return norm
    if kind == "MaxPooling2D":
        return torch.nn.MaxPool2d(options["size"], 1, padding=options["size"] // 2)
    if kind == "ZeroPadding2D":
        (top, bottom), (left, right) = options["padding"]
        return lambda x: functional.pad(x, (left, right, top, bottom))
    return {
        "Activation": torch.nn.SiLU(),
        "Add": lambda left, right: left + right,
        "Concatenate": lambda *values: torch.cat(values, 1),  # channels of features, cells of predictions
        "Focus": _focus,
        "Reshape": lambda x: x.flatten(2).transpose(1, 2),
        "UpSampling2D": torch.nn.Upsample(scale_factor=2, mode="nearest"),
    }[kind]


def _convolution(
    weights: Sequence[np.ndarray], *, depthwise: bool, strides: tuple[int, int], same: bool, bias: bool
) -> Any:
    """Return a convolution; Keras's kernel is (height, width, in, out), or (height, width, in, 1) if depthwise."""
    import torch

    kernel = weights[0]
    inputs, outputs = kernel.shape[2], kernel.shape[2] if depthwise else kernel.shape[3]
    convolution = torch.nn.Conv2d(
        *(inputs, outputs, kernel.shape[:2], strides),
        padding=kernel.shape[0] // 2 if same else 0,
        groups=inputs if depthwise else 1,
        bias=bias,
    )
    order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
    convolution.weight.data.copy_(torch.from_numpy(kernel.transpose(order)))
    if bias:
        convolution.bias.data.copy_(torch.from_numpy(weights[1]))
    return convolution


def _focus(x: Any) -> Any:
    """Each 2x2 patch becomes channels, row by row, as `architecture.Focus`."""
    import torch

    return torch.cat([x[..., row::2, column::2] for row in (0, 1) for column in (0, 1)], 1)


if __name__ == "__main__":
    main()
