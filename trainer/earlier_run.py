"""A finished run as the base of a new one: all its weights, with classes matched by name.

The new network keeps the anchor shapes of the earlier one, since its heads were trained for them. The two differ only
in what belongs to single classes: a class of both keeps its weights, whatever its class id is now; a new class starts
from the initial weights of its head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from preannotate.core.errors import PreannotateError
from trainer import datasets
from trainer.config import RunConfig
from trainer.datasets import Sample
from trainer.errors import TrainingError
from trainer.models.family import ModelFamily
from trainer.models.network import Network
from trainer.run_directory import RunDirectory


@dataclass(frozen=True)
class EarlierRun:
    """A run and the file of its best averaged weights.

    `trained_on` is the `Sample.content` of its training images; empty if they are no longer there.
    """

    name: str
    config: RunConfig
    weights: Path
    trained_on: frozenset[str] = frozenset()


def read(folder: Path) -> EarlierRun:
    """Read the folder of a run; a TrainingError if it is none, or has no best weights yet."""
    run = RunDirectory(folder)
    if not run.config.is_file():
        raise TrainingError(f"--base-model: {str(folder)!r} has no config.json; expected the folder of a run.")
    config = RunConfig.read(run.config)
    weights = sorted(run.checkpoints.glob("best-*.weights.h5"))
    if not weights:
        raise TrainingError(
            f"--base-model: {str(folder)!r} has no best weights; expected a run with at least one validation. "
            f"Finish it with --resume {folder}, or choose another base model."
        )
    return EarlierRun(
        name=folder.resolve().name,
        config=config,
        weights=weights[-1],
        trained_on=_trained_on(run),
    )


def transfer_weights(earlier: EarlierRun, family: ModelFamily, network: Network, labels: Sequence[str]) -> None:
    """Load the weights of an earlier run into a new network of the same family, width and anchor shapes.

    Raises:
        TrainingError: The weights are damaged or from another version, or cannot be split by class.
    """
    config = earlier.config
    if not network.class_layers and tuple(labels) != config.labels:
        raise TrainingError(
            f"--base-model {earlier.name}: labels {', '.join(config.labels)}; expected {', '.join(labels)} in this "
            f"order, since {config.model} has no weights of single classes. Pass --labels, or another base model."
        )
    size = network.input_size
    before = family.build(
        num_classes=len(config.labels),
        input_size=size,
        aspects=config.aspects,
        backbone=family.build_backbone(input_size=size, alpha=config.alpha),
    )
    try:
        before.keras_model.load_weights(earlier.weights)
    except (ValueError, OSError, KeyError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise TrainingError(
            f"{earlier.weights}: {first_line}; expected weights of {config.model} from this version. "
            f"Choose another base model."
        ) from error
    pairs = [(config.labels.index(label), place) for place, label in enumerate(labels) if label in config.labels]
    by_class = {id(variable) for variable in _class_variables(network)}
    for old, new in zip(before.keras_model.variables, network.keras_model.variables, strict=True):
        values = old.numpy()
        if id(new) in by_class:
            values = _matched(values, new.numpy(), pairs, len(config.labels), len(labels))
        new.assign(values)


def notes(
    earlier: EarlierRun, labels: Sequence[str], input_size: tuple[int, int], validation: Sequence[Sample]
) -> list[str]:
    """Return log lines: which classes are kept, and whether validation images were trained on before."""
    config = earlier.config
    kept = [label for label in labels if label in config.labels]
    new = [label for label in labels if label not in config.labels]
    dropped = [label for label in config.labels if label not in labels]
    parts = [f"keeps {', '.join(kept) or 'no class'}"]
    if new:
        parts.append(f"learns {', '.join(new)} from scratch")
    if dropped:
        parts.append(f"drops {', '.join(dropped)}")
    if input_size != config.input_size:
        parts.append("at {}x{} instead of {}x{}".format(*input_size, *config.input_size))
    lines = [f"fine-tuning {earlier.name}: {'; '.join(parts)}; its anchor shapes stay"]
    seen = sum(sample.content in earlier.trained_on for sample in validation)
    if seen:
        lines.append(
            f"{seen} of {len(validation)} validation images are training images of {earlier.name}: scores on them "
            f"are too high. Hold out others with --validation or --split-file."
        )
    return lines


def _class_variables(network: Network) -> list[keras.Variable]:
    layers = [network.keras_model.get_layer(name) for name in network.class_layers]
    # A separable convolution filters the input of all classes alike before its pointwise kernel tells them apart.
    return [v for layer in layers for v in layer.variables if v.name in ("kernel", "pointwise_kernel", "bias")]


def _matched(
    old: np.ndarray, new: np.ndarray, pairs: Sequence[tuple[int, int]], old_count: int, new_count: int
) -> np.ndarray:
    """Return `new` with the classes of `pairs`, (old id, new id), from `old`; K is the fastest in the last axis."""
    old = old.reshape(*old.shape[:-1], -1, old_count)
    result = new.reshape(*new.shape[:-1], -1, new_count).copy()
    for before, now in pairs:
        result[..., now] = old[..., before]
    return result.reshape(new.shape)


def _trained_on(run: RunDirectory) -> frozenset[str]:
    try:
        samples = datasets.read_dataset(run.data, name="train.json").samples
    except (PreannotateError, OSError):
        return frozenset()
    return frozenset(sample.content for sample in samples)
