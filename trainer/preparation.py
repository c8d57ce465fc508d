"""Everything before the first step: the run's own copy of the data and its split, all arguments, both networks."""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from preannotate.core.files import write_json
from preannotate.formats.records import DatasetError
from runtime.letterbox import Letterbox
from trainer import (
    anchors,
    base_weights,
    batch_statistics,
    copy_paste,
    datasets,
    earlier_run,
    gpu_memory,
    input_size,
    model_choice,
    tiling,
)
from trainer.arguments.decisions import explain
from trainer.arguments.defaults import Defaults, resolve_arguments
from trainer.arguments.facts import TrainingFacts
from trainer.backbone_weights import BaseModel
from trainer.config import RequestedConfig, RunConfig
from trainer.datasets import Dataset, Sample, Split
from trainer.datasets.split import without_unreviewed
from trainer.datasets.split_file import read_split_file
from trainer.datasets.unlabelled import UnlabelledImages, load_unlabelled
from trainer.earlier_run import EarlierRun
from trainer.errors import TrainingError
from trainer.input_pipeline import serving_inputs
from trainer.input_size import InputSize
from trainer.models import MODELS
from trainer.models.network import Network
from trainer.request import AUTO, TrainingRequest, read_image_names
from trainer.run_directory import RunDirectory

log = logging.getLogger(__name__)

TRAIN_FILE, VALIDATION_FILE, UNLABELLED_FILE = "train.json", "validation.json", "unlabelled.json"


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to train; the weights of `ema_network` follow those of `network`.

    `unlabelled` are the images for self-training, without boxes.
    """

    config: RunConfig
    split: Split
    network: Network
    ema_network: Network
    unlabelled: tuple[Sample, ...] = ()


def prepare(request: TrainingRequest, run: RunDirectory, *, replicas: int = 1) -> Prepared:
    """Read the data, decide all arguments, and write both into the new folder of the run.

    Raises:
        TrainingError, DatasetError: What the user has to fix, in one sentence.
    """
    requested, recommendation, loaded = request.config, None, None
    name, note = model_choice.resolve_name(request.model, MODELS)
    if note:
        log.info(note)
    request = dataclasses.replace(request, model=name)
    if request.model == AUTO:
        loaded = _load(request, run)
        chosen = model_choice.choose(request.base_model, requested, loaded[1].train)
        log.info(chosen.why)
        request, recommendation = dataclasses.replace(request, model=chosen.model), chosen.why
        if MODELS[chosen.model].learns_masks:  # not yet read
            loaded = None
    family = MODELS[request.model]
    if family.backbone.gpu_memory and not requested.ignore_memory:
        gpu_memory.check(request.model, family.backbone.gpu_memory, gpu_memory.visible()[: requested.num_clones])
    earlier = _earlier(request)
    base = (
        BaseModel(earlier.name, earlier.config.alpha)
        if earlier
        else base_weights.resolve(request.base_model, alpha=requested.alpha, family=family)
    )
    dataset, split = loaded or _load(request, run)
    unlabelled = _load_unlabelled(request, run, dataset, split)
    chosen_size = _input_size(requested, family.defaults, split.train, earlier)
    size = chosen_size.size
    boxes = [Letterbox.fit(sample.image_size, size).to_input(sample.boxes) for sample in split.train]
    objects = np.concatenate(boxes)
    facts = TrainingFacts(
        images=len(split.train),
        input_size=chosen_size,
        pretrained=base.pretrained,
        alpha=base.alpha,
        boxes=len(objects),
        copy_paste=copy_paste.choose(objects, len(dataset.labels), size, augment=requested.augment),
        tiles=tiling.choose(split.train, size, augment=requested.augment),
        replicas=replicas,
    )
    arguments = resolve_arguments(request.overrides, family.defaults, facts)
    config = RunConfig(
        arguments=arguments,
        overrides=request.overrides,
        model=request.model,
        labels=tuple(dataset.labels),
        base_model=base.source,
        pretrained=base.pretrained,
        alpha=base.alpha,
        input_size=size,
        aspects=earlier.config.aspects if earlier else anchors.fit_aspects(objects),
        recommendation=recommendation,
        decisions=explain(arguments, request.overrides, family.defaults, facts, model=request.model),
        label_types=tuple(map(dataset.health.label_type, dataset.labels)) if family.learns_masks else (),
    )
    config.write(run.config)
    _log_lines(f"{decision.what}: {decision.why}" for decision in config.decisions)
    _log_lines([*dataset.health.to_text(size).splitlines(), *split.notes])
    if request.unlabelled:
        log.info("%s", unlabelled.summary)
    write_json(run.dataset, {**_dataset_summary(dataset, split, size), "unlabelled": unlabelled.to_json()})
    network, ema_network = _build(config)
    _check_freeze(config, network)
    if earlier:
        missing = earlier_run.transfer_weights(earlier, MODELS[earlier.config.model], network, dataset.labels)
        notes = earlier_run.notes(earlier, dataset.labels, size, split.validation, model=family.name, missing=missing)
        _log_lines(notes)
    else:
        base_weights.load(network, base, family, dataset.labels)
        if base.detector and base.detector.folded:
            batch_statistics.measure(network, np.stack([*serving_inputs(split.train[: batch_statistics.IMAGES], size)]))
    return Prepared(config, split, network, ema_network, unlabelled.samples)


def reopen(run: RunDirectory) -> Prepared:
    """Prepare a run that was interrupted, from its folder; its weights are in its checkpoint."""
    config = RunConfig.read(run.config)
    if config.pretrained and not any(run.checkpoints.glob("epoch-*")):
        raise TrainingError(
            f"{run.path}: stopped before its first checkpoint; expected at least one epoch. Start the training again."
        )
    train = datasets.read_dataset(run.data, name=TRAIN_FILE)
    validation = datasets.read_dataset(run.data, name=VALIDATION_FILE)
    unlabelled: tuple[Sample, ...] = ()
    if (run.data / UNLABELLED_FILE).is_file():
        unlabelled = datasets.read_dataset(run.data, name=UNLABELLED_FILE).samples
    return Prepared(config, Split(train.samples, validation.samples), *_build(config), unlabelled)


def _load(request: TrainingRequest, run: RunDirectory) -> tuple[Dataset, Split]:
    learns_masks = request.model in MODELS and MODELS[request.model].learns_masks
    load = functools.partial(
        datasets.load_dataset,
        include_auto=request.include_auto,
        negatives=request.negatives,
        masks=learns_masks or (request.config.copy_paste or 0) > 0,
    )
    only = read_image_names(request.images)
    dataset = load(request.exports, run.data, only=only, labels=request.labels)
    datasets.check_dataset(dataset)
    if request.validation:
        held_out = load(request.validation, run.data, labels=dataset.labels)
        split = _held_out(request, dataset.samples, held_out.samples)
    else:
        pinned = read_split_file(request.split_file, dataset.samples) if request.split_file else None
        split = datasets.split_samples(dataset.samples, fraction=request.config.validation_fraction, pinned=pinned)
    split = without_unreviewed(split)
    if not learns_masks:  # objects are pasted along outlines, but boxes are what is learnt and scored
        dataset = dataclasses.replace(dataset, health=dataclasses.replace(dataset.health, masks_of=None))
        validation = tuple(dataclasses.replace(sample, masks=()) for sample in split.validation)
        split = dataclasses.replace(split, validation=validation)
    for samples, name in ((split.train, TRAIN_FILE), (split.validation, VALIDATION_FILE)):
        datasets.save_dataset(Dataset(dataset.labels, samples, dataset.health), run.data, name=name)
    return dataset, split


def _load_unlabelled(request: TrainingRequest, run: RunDirectory, dataset: Dataset, split: Split) -> UnlabelledImages:
    images = load_unlabelled(request.unlabelled, run.data, split)
    if images.samples:
        datasets.save_dataset(Dataset(dataset.labels, images.samples, dataset.health), run.data, name=UNLABELLED_FILE)
    return images


def _held_out(request: TrainingRequest, samples: Sequence[Sample], held_out: Sequence[Sample]) -> Split:
    """Split by export; images in both are for validation only."""
    known = {sample.content for sample in held_out}
    split = Split(tuple(sample for sample in samples if sample.content not in known), tuple(held_out))
    if not split.train or not split.validation:
        names = ", ".join(str(path) for path in request.validation)
        raise DatasetError(
            f"--validation {names}: {len(split.validation)} annotated images, which leaves {len(split.train)} for "
            f"training; expected some of each. Hold out other images."
        )
    return split


def _build(config: RunConfig) -> tuple[Network, Network]:
    """Return the network to train and the one that averages it: validated and exported, so in full precision."""
    keras.utils.set_random_seed(config.arguments.seed)
    family = MODELS[config.model]

    def build(precision: str) -> Network:
        # The backbone does most of the arithmetic; heads and losses stay in float32, where small differences count.
        with dtype_policy(precision):
            backbone = family.build_backbone(input_size=config.input_size, alpha=config.alpha)
        return family.build(
            num_classes=len(config.labels), input_size=config.input_size, aspects=config.aspects, backbone=backbone
        )

    return build(config.arguments.precision), build("float32")


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Set the Keras dtype policy of layers that are created inside the block; weights are always float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _earlier(request: TrainingRequest) -> EarlierRun | None:
    """Return the run that `--base-model` names; None if it does not name a run."""
    if not Path(request.base_model).is_dir():
        return None
    earlier = earlier_run.read(Path(request.base_model))
    if earlier.config.model not in MODELS or not earlier_run.can_start_from(
        MODELS[request.model], MODELS[earlier.config.model]
    ):
        raise TrainingError(
            f"--base-model {earlier.name}: a run of {earlier.config.model}; expected one of {request.model}. "
            f"Pass --model {earlier.config.model}, or another base model."
        )
    if request.config.alpha not in (None, earlier.config.alpha):
        raise TrainingError(
            f"--base-model {earlier.name}: alpha {earlier.config.alpha}; expected {request.config.alpha}. "
            f"Leave alpha out or change it."
        )
    return earlier


def _check_freeze(config: RunConfig, network: Network) -> None:
    freeze, last = config.arguments.freeze, len(network.block_starts) - 1
    if freeze > last:
        raise TrainingError(
            f"arguments: freeze={freeze}; expected a whole number of blocks from 0 to {last} with {config.model}."
        )


def _input_size(
    requested: RequestedConfig, model: Defaults, samples: Sequence[Sample], earlier: EarlierRun | None
) -> InputSize:
    if earlier and not requested.image_size:
        return InputSize(earlier.config.input_size, f"that of {earlier.name}")
    return input_size.for_samples(
        samples, side=model.side, image_size=requested.image_size, minutes=requested.max_minutes
    )


def _log_lines(lines: Iterable[str]) -> None:
    """Log each line on its own: a message of a log is one line, whatever is in it."""
    for line in lines:
        log.info("%s", line)


def _dataset_summary(dataset: Dataset, split: Split, size: tuple[int, int]) -> dict[str, Any]:
    return {
        **dataset.health.to_json(size),
        "split": {
            "notes": list(split.notes),
            "train": [sample.name for sample in split.train],
            "validation": [sample.name for sample in split.validation],
        },
    }
