"""A finished run as the base of a new one: all its weights, with classes matched by name.

The new network keeps the anchor shapes of the earlier one, since its heads were trained for them. The two differ only
in what belongs to single classes: a class of both keeps its weights, whatever its class id is now; a new class starts
from the initial weights of its head. A network with masks may start from a run of the same network without, and the
other way round: what both have is loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from preannotate.core.errors import PreannotateError
from preannotate.core.text import plural
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


def can_start_from(new: ModelFamily, earlier: ModelFamily) -> bool:
    """Whether networks of a family can start from those of another: both are the same, or but for masks."""
    return new.name == earlier.name or new.without_masks == earlier.name or earlier.without_masks == new.name


def transfer_weights(earlier: EarlierRun, family: ModelFamily, network: Network, labels: Sequence[str]) -> list[str]:
    """Load the weights of an earlier run into a new network of the same width and anchor shapes.

    Args:
        earlier: The run.
        family: Of the earlier run; the new network's is the same, or `can_start_from` it.
        network: The new network.
        labels: Its labels.

    Returns:
        Layers of the new network that the earlier one lacks, by name: they keep their random weights.

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
    variables, missing = _pairs(earlier, before.keras_model, network.keras_model)
    for old, new in variables:
        values = old.numpy()
        if id(new) in by_class:
            values = _matched(values, new.numpy(), pairs, len(config.labels), len(labels))
        new.assign(values)
    return missing


def _pairs(
    earlier: EarlierRun, before: keras.Model, now: keras.Model
) -> tuple[list[tuple[keras.Variable, keras.Variable]], list[str]]:
    """Return the variables of both, and the names of layers that only the new one has.

    Of the same family both have the same ones in the same order, but layers without a name of their own are numbered
    on; of two families that differ by masks all shared layers have names.
    """
    if len(before.variables) == len(now.variables):
        return list(zip(before.variables, now.variables, strict=True)), []
    old, new = ({variable.path: variable for variable in model.variables} for model in (before, now))
    # The smaller network is a part of the larger one, or names have changed and nothing may be guessed.
    shared, smaller = old.keys() & new.keys(), min(old, new, key=len)
    if len(shared) < len(smaller):
        name = min(smaller.keys() - shared)
        raise TrainingError(
            f"--base-model {earlier.name}: {name} in one network only; expected the layers of both to be the same but "
            f"for masks. Choose another base model."
        )
    missing = {path.rpartition("/")[0] for path in new.keys() - shared}
    return [(old[path], new[path]) for path in old if path in shared], sorted(missing)


def notes(
    earlier: EarlierRun,
    labels: Sequence[str],
    input_size: tuple[int, int],
    validation: Sequence[Sample],
    *,
    model: str,
    missing: Sequence[str] = (),
) -> list[str]:
    """Return log lines: which weights and classes are kept, and whether validation images were trained on before.

    `model` is the name of the new network's family, and `missing` what `transfer_weights` gave.
    """
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
    if missing:
        lines.append(
            f"all layers of {config.model} are loaded; {plural(len(missing), 'layer')} of {model} for masks start from "
            f"random weights"
        )
    elif model != config.model:
        lines.append(f"all layers of {model} are loaded; those of {config.model} for masks are left out")
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
