"""The recipe of a run: data, split, network, loop, thresholds, export, summary."""

import contextlib
import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import logging
import platform
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from evaluation.scores import score
from runtime.letterbox import Letterbox
from runtime.manifest import Manifest, Postprocess
from trainer import anchors, backbone_weights, checkpoints, config, datasets, export, input_size, overlays, thresholds
from trainer.checkpoints import State
from trainer.config import AUTO, Config
from trainer.datasets import Dataset, Sample, Split
from trainer.datasets.split_file import read_split_file
from trainer.errors import TrainingError
from trainer.learner import Learner
from trainer.loop import Loop
from trainer.models import MODELS
from trainer.models.network import Network
from trainer.run_directory import RunDirectory, replace_text
from trainer.validation import Validator

log = logging.getLogger(__name__)

TRAIN_FILE, VALIDATION_FILE = "train.json", "validation.json"


@dataclass(frozen=True)
class Request:
    """What a new run is to be made of.

    Attributes:
        exports: Zips or folders of annotations.
        output: Folder of the run, new.
        model: A name in `MODELS`.
        base_model: `imagenet`, `none`, or a path to a file of weights.
        config: The arguments.
        include_auto: Use automatic annotations.
        negatives: Use frames without annotations as images without objects.
        validation: Exports held out; none holds out a part of `exports`.
        split_file: Names the validation images; None decides by content.
        only: Names of the images of `exports` to use; None uses all.
        labels: The classes to learn, in this order; None learns all that the exports declare.

    """

    exports: Sequence[Path]
    output: Path
    model: str = "ssd-mobilenet-v2"
    base_model: str = backbone_weights.IMAGENET
    config: Config = dataclasses.field(default_factory=Config)
    include_auto: bool = False
    negatives: bool = False
    validation: Sequence[Path] = ()
    split_file: Path | None = None
    only: Collection[str] | None = None
    labels: Sequence[str] | None = None


def start(request: Request) -> dict[str, Any]:
    """Train from annotations.

    Returns:
        The content of `summary.json`.

    Raises:
        TrainerError: One sentence that says what to mend.

    """
    if request.model not in MODELS:
        raise TrainingError(f"--model: unknown model {request.model!r}; expected one of: {', '.join(sorted(MODELS))}.")
    run = RunDirectory.create(request.output)
    with _log_file(run):
        try:
            split, resolved, networks = _prepare(request, run)
        except BaseException:
            # Nothing was trained yet: a second try with the same --output must not find a leftover.
            shutil.rmtree(run.path, ignore_errors=True)
            raise
        return _train(run, request.config, resolved, split, networks)


def resume(path: Path) -> dict[str, Any]:
    """Continue an interrupted run with exactly the state of an uninterrupted one.

    Returns:
        The content of `summary.json`.

    Raises:
        TrainerError: One sentence that says what to mend.

    """
    run = RunDirectory.open(path)
    settings, resolved = config.read(run.config)
    with _log_file(run):
        train = datasets.read_saved(run.data, name=TRAIN_FILE)
        validation = datasets.read_saved(run.data, name=VALIDATION_FILE)
        split = Split(train.samples, validation.samples)
        networks = _build(resolved, seed=settings.seed)
        if not any(run.checkpoints.glob("epoch-*")) and resolved["pretrained"]:
            raise TrainingError(
                f"{path}: stopped before its first checkpoint; expected at least one epoch. Start the training again."
            )
        return _train(run, settings, resolved, split, networks)


def _prepare(request: Request, run: RunDirectory) -> tuple[Split, dict[str, Any], tuple[Network, Network]]:
    """Everything before the first step: data, resolved settings, networks with their base weights."""
    base = backbone_weights.resolve(request.base_model, alpha=request.config.alpha)
    dataset, split = _prepare_data(request, run)
    size = _input_size(request.config, split.train)
    boxes = np.concatenate([_letterboxed(sample, size) for sample in split.train])
    resolved = {
        "model": request.model,
        "labels": list(dataset.labels),
        "base_model": base.source,
        "pretrained": base.pretrained,
        "alpha": base.alpha,
        "input_size": list(size),
        "aspects": list(anchors.fit_aspects(boxes)),
        "epochs": request.config.epochs_for(len(split.train)),
    }
    config.write(request.config, run.config, **resolved)
    log.info("\n%s", dataset.health.to_text(size))
    replace_text(run.dataset, _json(_dataset_summary(dataset, split, size)))
    networks = _build(resolved, seed=request.config.seed)
    backbone_weights.load(networks[0].backbone, base)
    return split, resolved, networks


def _prepare_data(request: Request, run: RunDirectory) -> tuple[Dataset, Split]:
    options = {"include_auto": request.include_auto, "negatives": request.negatives}
    dataset = datasets.load(request.exports, run.data, only=request.only, labels=request.labels, **options)
    datasets.check(dataset)
    if request.validation:
        held_out = datasets.load(request.validation, run.data, labels=dataset.labels, **options)
        known = {sample.content for sample in held_out.samples}
        split = Split(tuple(s for s in dataset.samples if s.content not in known), held_out.samples)
    else:
        pinned = read_split_file(request.split_file, dataset.samples) if request.split_file else None
        split = datasets.split(dataset.samples, fraction=request.config.validation_fraction, pinned=pinned)
    for note in split.notes:
        log.warning(note)
    for warning in dataset.health.warnings():
        log.warning(warning)
    for samples, name in ((split.train, TRAIN_FILE), (split.validation, VALIDATION_FILE)):
        datasets.save(Dataset(dataset.labels, samples, dataset.health), run.data, name=name)
    return dataset, split


def _build(resolved: dict[str, Any], *, seed: int) -> tuple[Network, Network]:
    """The network to train and the one that averages it."""
    keras.utils.set_random_seed(seed)
    family = MODELS[resolved["model"]]
    size = tuple(resolved["input_size"])
    networks = []
    for _ in range(2):
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


def _train(
    run: RunDirectory,
    settings: Config,
    resolved: dict[str, Any],
    split: Split,
    networks: tuple[Network, Network],
) -> dict[str, Any]:
    network, averaged = networks
    strategy = tf.distribute.get_strategy()
    learner = Learner(network, averaged, settings, pretrained=resolved["pretrained"], strategy=strategy)
    validator = Validator(split.validation, resolved["labels"], averaged, resolved["model"])
    loop = Loop(run, settings, learner, split.train, validator, pretrained=resolved["pretrained"])
    state = loop.run()
    averaged.keras_model.load_weights(checkpoints.best_weights(run, state.best["epoch"]))
    return _finish(run, settings, resolved, split, averaged, validator, state)


def _finish(
    run: RunDirectory,
    settings: Config,
    resolved: dict[str, Any],
    split: Split,
    network: Network,
    validator: Validator,
    state: State,
) -> dict[str, Any]:
    labels = tuple(resolved["labels"])
    detections = validator.detections()
    scores = score(labels, validator.truth, detections)
    threshold, per_class = thresholds.choose(labels, validator.truth, detections)
    provenance = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "run": run.path.resolve().name,
        "arguments": dataclasses.asdict(settings),
        "base_model": resolved["base_model"],
        "alpha": resolved["alpha"],
        "images": {"train": len(split.train), "validation": len(split.validation)},
        "dataset": _fingerprint(split),
        "threshold_criterion": "best F1 at IoU 0.5 on the validation images",
        "metrics": scores.to_json(),
        "versions": _versions(),
    }
    manifest = Manifest(resolved["model"], labels, network.input_size, Postprocess(threshold, per_class), provenance)
    export.write(export.Exported(network, manifest, split.train, split.validation, detections), run.export)
    overlays.write(split.validation, detections, manifest, run.overlays)
    summary = {
        "run": str(run.path),
        "labels": list(labels),
        "epochs": state.epoch,
        "best_epoch": state.best["epoch"],
        "stopped_early": state.stopped_early,
        "seconds": round(state.spent, 1),
        "validation": scores.to_json(),
        "thresholds": dict(zip(labels, per_class, strict=True)),
        "export": "export",
        "overlays": "overlays",
    }
    replace_text(run.summary, _json({**summary, "run": run.path.resolve().name}))
    return summary


def _input_size(settings: Config, samples: Sequence[Sample]) -> tuple[int, int]:
    if settings.image_size == AUTO:
        return input_size.choose([sample.image_size for sample in samples])
    return config.parse_size(settings.image_size)


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


def _fingerprint(split: Split) -> str:
    """sha256 over what was trained and validated on: images, boxes, classes and sides."""
    digest = hashlib.sha256()
    for side in (split.train, split.validation):
        for sample in sorted(side, key=lambda sample: sample.content):
            digest.update(sample.content.encode())
            digest.update(sample.boxes.tobytes() + sample.class_ids.tobytes())
        digest.update(b"|")
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    packages = ("tensorflow", "keras", "numpy", "pillow", "preannotate")
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}
    for package in packages[2:]:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


@contextlib.contextmanager
def _log_file(run: RunDirectory) -> Iterator[None]:
    """Everything said during the run, also in its folder."""
    handler = logging.FileHandler(run.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger("trainer")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
