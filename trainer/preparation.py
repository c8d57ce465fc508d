"""Everything before the first step: data and split into the run's folder, resolved settings, networks."""

import dataclasses
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from preannotate.formats.errors import DatasetError
from runtime.letterbox import Letterbox
from trainer import (
    anchors,
    backbone_weights,
    config,
    datasets,
    earlier_run,
    gpu_memory,
    input_size,
    model_choice,
    model_names,
)
from trainer.arguments import defaults
from trainer.arguments.defaults import Defaults
from trainer.backbone_weights import BaseModel
from trainer.config import TrainingConfig
from trainer.datasets import Dataset, Sample, Split
from trainer.datasets.split import without_unreviewed
from trainer.datasets.split_file import read_split_file
from trainer.earlier_run import EarlierRun
from trainer.errors import TrainingError
from trainer.models import MODELS
from trainer.models.network import Network
from trainer.precision import dtype_policy
from trainer.run_directory import RunDirectory, replace_text

log = logging.getLogger(__name__)

TRAIN_FILE, VALIDATION_FILE = "train.json", "validation.json"


@dataclass(frozen=True)
class Request:
    """What a new run is to be made of.

    Attributes:
        exports: Zips or folders of annotations.
        output: Folder of the run, new.
        model: A name in `MODELS`, an old spelling of one, or `auto`.
        base_model: `imagenet` or another name that the model's backbone knows, `none`, a path to a file of
            weights, or to the folder of an earlier run of the same model.
        asked: The arguments, from `arguments.gather`.
        include_auto: Use automatic annotations.
        negatives: Use frames without annotations as images without objects.
        validation: Exports held out; none holds out a part of `exports`.
        split_file: Names the validation images; None decides by content.
        only: Names of the images of `exports` to use; None uses all.
        labels: The classes to learn, in this order; None learns all that the exports declare.
        go_on: Continue the run in `output` if there is one.

    """

    exports: Sequence[Path]
    output: Path
    model: str = "ssd-mobilenet-v2"
    base_model: str = backbone_weights.IMAGENET
    asked: Mapping[str, Any] = field(default_factory=dict)
    include_auto: bool = False
    negatives: bool = False
    validation: Sequence[Path] = ()
    split_file: Path | None = None
    only: Collection[str] | None = None
    labels: Sequence[str] | None = None
    go_on: bool = False

    @property
    def wanted(self) -> TrainingConfig:
        """What was asked for, the rest not decided yet."""
        return TrainingConfig(**self.asked)


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to train.

    Attributes:
        settings: The arguments, everything decided.
        resolved: What else was: model, labels, alpha, input size, anchor shapes and so on.
        split: Training and validation samples.
        network: To be trained, with its base weights.
        ema_network: Of the same shape; follows the other.
    """

    settings: TrainingConfig
    resolved: Mapping[str, Any]
    split: Split
    network: Network
    ema_network: Network


def prepare(request: Request, run: RunDirectory) -> Prepared:
    """Read the data, resolve all settings, and write both into the new folder of the run.

    Raises:
        TrainerError: One sentence that says what to mend.
    """
    request = _by_todays_name(request)
    loaded = _load(request, run) if request.model == model_names.AUTO else None
    if loaded:
        chosen = model_choice.choose(request.base_model, request.wanted, loaded[1].train)
        log.info(chosen.why)
        request = dataclasses.replace(request, model=chosen.model)
    family = MODELS[request.model]
    if family.BACKBONE.gpu_memory and not request.wanted.ignore_memory:
        used = gpu_memory.visible()[: request.wanted.num_clones]
        gpu_memory.check(request.model, family.BACKBONE.gpu_memory, used)
    earlier = _earlier(request)
    base = (
        BaseModel(earlier.name, earlier.alpha)
        if earlier
        else backbone_weights.resolve(request.base_model, alpha=request.wanted.alpha, backbone=family.BACKBONE)
    )
    dataset, split = loaded or _load(request, run)
    size = _input_size(request.wanted.image_size, family.DEFAULTS, split.train, earlier)
    settings = defaults.resolve_arguments(
        request.asked,
        family.DEFAULTS,
        images=len(split.train),
        pretrained=base.pretrained,
        alpha=base.alpha,
        input_size=size,
    )
    boxes = np.concatenate([_letterboxed(sample, size) for sample in split.train])
    resolved = {
        "model": request.model,
        "labels": list(dataset.labels),
        "base_model": base.source,
        "pretrained": base.pretrained,
        "alpha": base.alpha,
        "input_size": list(size),
        "aspects": list(earlier.aspects if earlier else anchors.fit_aspects(boxes)),
    }
    why = {"recommendation": chosen.why} if loaded else {}
    config.write(settings, run.config, asked=dict(request.asked), **resolved, **why)
    log.info("\n%s", "\n".join([dataset.health.to_text(size), *split.notes]))
    summary = json.dumps(_dataset_summary(dataset, split, size), indent=2, ensure_ascii=False)
    replace_text(run.dataset, summary + "\n")
    network, ema_network = _build(resolved, settings)
    _check_freeze(settings, request.model, network)
    if earlier:
        earlier_run.take_over(earlier, family, network, dataset.labels)
        log.info("%s", "\n".join(earlier_run.notes(earlier, dataset.labels, size, split.validation)))
    else:
        backbone_weights.load(network.backbone, base, family.BACKBONE)
    return Prepared(settings, resolved, split, network, ema_network)


def reopen(run: RunDirectory) -> Prepared:
    """The same from the folder of a run that was interrupted; its weights are in its checkpoint.

    Raises:
        TrainerError: The run stopped too early to continue, or its files are damaged.
    """
    settings, resolved = config.read(run.config)
    if resolved["pretrained"] and not any(run.checkpoints.glob("epoch-*")):
        raise TrainingError(
            f"{run.path}: stopped before its first checkpoint; expected at least one epoch. Start the training again."
        )
    train = datasets.read_dataset(run.data, name=TRAIN_FILE)
    validation = datasets.read_dataset(run.data, name=VALIDATION_FILE)
    network, ema_network = _build(resolved, settings)
    return Prepared(settings, resolved, Split(train.samples, validation.samples), network, ema_network)


def _by_todays_name(request: Request) -> Request:
    name, note = model_names.resolve(request.model, MODELS)
    if note:
        log.info(note)
    return dataclasses.replace(request, model=name)


def _load(request: Request, run: RunDirectory) -> tuple[Dataset, Split]:
    options = {"include_auto": request.include_auto, "negatives": request.negatives}
    dataset = datasets.load_dataset(request.exports, run.data, only=request.only, labels=request.labels, **options)
    datasets.check_dataset(dataset)
    if request.validation:
        held_out = datasets.load_dataset(request.validation, run.data, labels=dataset.labels, **options)
        split = _held_out(request, dataset.samples, held_out.samples)
    else:
        pinned = read_split_file(request.split_file, dataset.samples) if request.split_file else None
        split = datasets.split_samples(dataset.samples, fraction=request.wanted.validation_fraction, pinned=pinned)
    split = without_unreviewed(split)
    for samples, name in ((split.train, TRAIN_FILE), (split.validation, VALIDATION_FILE)):
        datasets.save_dataset(Dataset(dataset.labels, samples, dataset.health), run.data, name=name)
    return dataset, split


def _held_out(request: Request, samples: Sequence[Sample], held_out: Sequence[Sample]) -> Split:
    """What is in both exports is for validation only."""
    known = {sample.content for sample in held_out}
    split = Split(tuple(sample for sample in samples if sample.content not in known), tuple(held_out))
    if not split.train or not split.validation:
        names = ", ".join(str(path) for path in request.validation)
        raise DatasetError(
            f"--validation {names}: {len(split.validation)} annotated images, which leaves {len(split.train)} for "
            f"training; expected some of each. Hold out other images."
        )
    return split


def _build(resolved: Mapping[str, Any], settings: TrainingConfig) -> tuple[Network, Network]:
    """The network to train and the one that averages it, which is validated and exported and so in full precision."""
    keras.utils.set_random_seed(settings.seed)
    family = MODELS[resolved["model"]]
    size = tuple(resolved["input_size"])
    networks = []
    for precision in (settings.precision, "float32"):
        # The backbone does most of the arithmetic; heads and losses stay in float32, where small differences count.
        with dtype_policy(precision):
            backbone = family.build_backbone(input_size=size, alpha=resolved["alpha"])
        networks.append(
            family.build(
                num_classes=len(resolved["labels"]),
                input_size=size,
                aspects=resolved["aspects"],
                backbone=backbone,
            )
        )
    return networks[0], networks[1]


def _earlier(request: Request) -> EarlierRun | None:
    """The run that `--base-model` names, if it names one."""
    if not Path(request.base_model).is_dir():
        return None
    earlier = earlier_run.read(Path(request.base_model))
    if earlier.model != request.model:
        raise TrainingError(
            f"--base-model {earlier.name}: a run of {earlier.model}; expected one of {request.model}. "
            f"Pass --model {earlier.model}, or another base model."
        )
    if request.wanted.alpha not in (0, earlier.alpha):
        raise TrainingError(
            f"--base-model {earlier.name}: alpha {earlier.alpha}; expected {request.wanted.alpha}. "
            f"Leave alpha out or change it."
        )
    return earlier


def _check_freeze(settings: TrainingConfig, model: str, network: Network) -> None:
    last = len(network.block_starts) - 1
    if settings.freeze > last:
        raise TrainingError(
            f"arguments: freeze={settings.freeze}; expected a whole number of blocks from 0 to {last} with {model}."
        )


def _input_size(
    image_size: str, model: Defaults, samples: Sequence[Sample], earlier: EarlierRun | None
) -> tuple[int, int]:
    if size := config.parse_size(image_size):
        return size
    image_sizes = [sample.image_size for sample in samples]
    if sides := config.parse_range(image_size):
        return input_size.between(image_sizes, *sides)
    return earlier.input_size if earlier else input_size.choose(image_sizes, side=model.side)


def _letterboxed(sample: Sample, size: tuple[int, int]) -> np.ndarray:
    return Letterbox.fit(sample.image_size, size).to_input(sample.boxes)


def _dataset_summary(dataset: Dataset, split: Split, size: tuple[int, int]) -> dict[str, Any]:
    return {
        **dataset.health.to_json(size),
        "split": {
            "notes": list(split.notes),
            "train": [sample.name for sample in split.train],
            "validation": [sample.name for sample in split.validation],
        },
    }
