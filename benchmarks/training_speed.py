"""Images a second in training: a whole step here, and the same layers in PyTorch, which this project does not need.

    pip install torch            # only for this comparison; in an environment of your own
    python benchmarks/training_speed.py --model yolox-nano --size 416 --batch 8
    python benchmarks/training_speed.py --without-torch

Three things are timed on the same random batch, in blocks that alternate, so that a machine that slows down slows all:
the step of `preannotate train` with assignment, losses, two optimizers and averaged weights; the layers alone in
TensorFlow (forward, backward, AdamW); and the same in PyTorch, as it comes and with channels last. The PyTorch module
is made from the Keras model layer by layer, and the outputs of both are compared first. In PyTorch there is no
assignment and no average of weights: the first figure divided by the third is a lower bound. `--name` appends the
figures to benchmarks/results/training_speed.json.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from results import describe_machine, report

NUM_CLASSES = 3
# Outputs of the two differ by the order in which sums are taken.
TOLERANCE = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="yolox-nano", choices=["yolox-nano", "yolox-tiny", "yolox-s"])
    parser.add_argument("--size", type=int, default=416, help="side of the input, a multiple of 32")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--blocks", type=int, default=5, help="of each kind; the median counts")
    parser.add_argument("--steps", type=int, default=5, help="of a block")
    parser.add_argument("--without-torch", action="store_true")
    parser.add_argument("--name", help="append the figures to the results under this name")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    kinds = _tensorflow_steps(options)
    if not options.without_torch:
        kinds |= _torch_steps(options)
    rates = _alternate(kinds, options)
    figures: dict[str, Any] = {
        "model": options.model,
        "input_size": options.size,
        "batch_size": options.batch,
        "images_per_second": {name: round(statistics.median(of_kind), 2) for name, of_kind in rates.items()},
        "blocks": {name: [round(rate, 2) for rate in of_kind] for name, of_kind in rates.items()},
        "load": round(os.getloadavg()[0] / len(os.sched_getaffinity(0)), 1),
        "machine": describe_machine(),
    }
    ours = figures["images_per_second"]["step of preannotate train"]
    torch_rates = [rate for name, rate in figures["images_per_second"].items() if name.startswith("PyTorch")]
    if torch_rates:
        figures["relative_to_pytorch"] = round(ours / max(torch_rates), 2)
    report(figures, "training_speed.json", options.name)


def _alternate(kinds: dict[str, Callable[[], Any]], options: argparse.Namespace) -> dict[str, list[float]]:
    """Return images a second of each block of each kind."""
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    for step in kinds.values():
        step(), step()
    for _ in range(options.blocks):
        for name, step in kinds.items():
            started = time.perf_counter()
            for _ in range(options.steps):
                step()
            rates[name].append(options.batch * options.steps / (time.perf_counter() - started))
    return rates


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


def _tensorflow_steps(options: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    import keras
    import tensorflow as tf

    from trainer.arguments.defaults import resolve_arguments
    from trainer.models import MODELS
    from trainer.network_trainer import NetworkTrainer

    family, input_size = MODELS[options.model], (options.size, options.size)

    def network() -> Any:
        backbone = family.build_backbone(input_size=input_size, alpha=1.0)
        return family.build(num_classes=NUM_CLASSES, input_size=input_size, aspects=(1.0,), backbone=backbone)

    ema_network, trained = network(), network()
    config = resolve_arguments({}, family.defaults, images=100, pretrained=True, alpha=1.0, input_size=input_size)
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
        "step of preannotate train": lambda: whole.train_step(batch, progress=0.5, backbone_frozen=False),
        "layers alone": lambda: float(layers_alone()),
    }


def _torch_steps(options: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = _layers_alone(options)
    pixels = _images(options).astype(np.float32)
    _compare(model, pixels[:1])

    def step(memory_format: Any) -> Callable[[], float]:
        network = to_torch(model).train().to(memory_format=memory_format)
        optimizer = torch.optim.AdamW(network.parameters(), 1e-4)
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(memory_format=memory_format)

        def run() -> float:
            optimizer.zero_grad()
            loss = sum(output.square().mean() for output in network(batch))
            loss.backward()
            optimizer.step()
            return float(loss)

        return run

    return {
        "PyTorch, layers alone": step(torch.contiguous_format),
        "PyTorch, layers alone, channels last": step(torch.channels_last),
    }


def _compare(model: Any, pixels: np.ndarray) -> None:
    """Check that both give the same outputs at rest, which also checks the translation."""
    import torch

    network = to_torch(model).eval()
    with torch.no_grad():
        found = network(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    for ours, theirs in zip(model(pixels, training=False), found, strict=True):
        apart = float(np.abs(np.asarray(ours) - theirs.numpy()).max())
        if apart > TOLERANCE:
            raise SystemExit(f"the PyTorch module: {apart:.2g} from the Keras model; expected at most {TOLERANCE}.")


def to_torch(model: Any) -> Any:
    """Return a torch module with the layers and weights of a flat Keras model of images: (B, C, H, W) to its outputs.

    Raises:
        NotImplementedError: A layer that YOLOX does not have.
    """
    import torch

    class Translated(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList()
            self.plan: list[tuple[Callable[..., Any], list[int], int]] = []
            for operation in model.operations:
                node = operation._inbound_nodes[0]
                if not node.input_tensors:
                    continue
                call = _translate(operation)
                if isinstance(call, torch.nn.Module):
                    self.parts.append(call)
                self.plan.append((call, [id(one) for one in node.input_tensors], id(node.output_tensors[0])))

        def forward(self, pixels: Any) -> list[Any]:
            values = {id(model.inputs[0]): pixels}
            for call, inputs, output in self.plan:
                values[output] = call(*(values[one] for one in inputs))
            return [values[id(output)] for output in model.outputs]

    return Translated()


def _translate(layer: Any) -> Callable[..., Any]:
    import torch
    from torch.nn import functional

    kind = type(layer).__name__
    if kind in ("Conv2D", "DepthwiseConv2D"):
        return _convolution(layer)
    if kind == "BatchNormalization":
        norm = torch.nn.BatchNorm2d(layer.gamma.shape[0], eps=layer.epsilon, momentum=1 - layer.momentum)
        pairs = (norm.weight, layer.gamma), (norm.bias, layer.beta)
        pairs += (norm.running_mean, layer.moving_mean), (norm.running_var, layer.moving_variance)
        for target, source in pairs:
            target.data.copy_(torch.from_numpy(np.array(source)))
        return norm
    if kind == "Reshape":
        return lambda x: x.flatten(2).transpose(1, 2)
    if kind == "Concatenate":  # of features their channels, of predictions their cells: the same axis here
        return lambda *values: torch.cat(values, 1)
    if kind == "MaxPooling2D":
        return torch.nn.MaxPool2d(layer.pool_size, 1, padding=layer.pool_size[0] // 2)
    simple = {
        "Focus": _focus,
        "Activation": torch.nn.SiLU(),
        "Add": lambda left, right: left + right,
        "UpSampling2D": torch.nn.Upsample(scale_factor=2, mode="nearest"),
    }
    if kind == "ZeroPadding2D":
        (top, bottom), (left, right) = layer.padding
        return lambda x: functional.pad(x, (left, right, top, bottom))
    if kind not in simple:
        raise NotImplementedError(f"{kind} ({layer.name})")
    return simple[kind]


def _convolution(layer: Any) -> Any:
    import torch

    kernel = np.array(layer.kernel)  # (height, width, in, out), or (height, width, in, 1) if depthwise
    depthwise = type(layer).__name__ == "DepthwiseConv2D"
    inputs, outputs = kernel.shape[2], kernel.shape[2] if depthwise else kernel.shape[3]
    convolution = torch.nn.Conv2d(
        *(inputs, outputs, kernel.shape[:2], layer.strides),
        padding=kernel.shape[0] // 2 if layer.padding == "same" else 0,
        groups=inputs if depthwise else 1,
        bias=layer.use_bias,
    )
    order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
    convolution.weight.data.copy_(torch.from_numpy(kernel.transpose(order)))
    if layer.use_bias:
        convolution.bias.data.copy_(torch.from_numpy(np.array(layer.bias)))
    return convolution


def _focus(x: Any) -> Any:
    """Each 2x2 patch becomes channels, row by row, as `architecture.Focus`."""
    import torch

    patches = (x[..., row::2, column::2] for row in (0, 1) for column in (0, 1))
    return torch.cat(list(patches), 1)


if __name__ == "__main__":
    main()
