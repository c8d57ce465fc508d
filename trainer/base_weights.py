"""Base weights of a model family: of the whole detector where such are published, of its backbone where not."""

import logging
from collections.abc import Container, Sequence
from pathlib import Path

from preannotate.core.text import plural
from trainer import backbone_weights
from trainer.backbone_weights import BaseModel
from trainer.errors import TrainingError
from trainer.models.family import ModelFamily
from trainer.models.network import Network
from trainer.request import AUTO, NONE

log = logging.getLogger(__name__)


def resolve(base_model: str, *, alpha: float | None, family: ModelFamily) -> BaseModel:
    """Find and check the weights before anything expensive happens.

    `base_model` is `AUTO`, `none`, one of `family.pretrained`, or the path of a file. With `AUTO` training starts from
    random weights, with a warning, where published ones cannot be had.

    Raises:
        TrainingError: A file that is missing or has other weights; a package is missing, or weights that are named; or
            the family has no such alpha.
    """
    if alpha not in (None, *family.alphas):
        known = ", ".join(f"{one:g}" for one in family.alphas)
        raise TrainingError(
            f"alpha={alpha:g}: {family.name} has no such width; expected {known}. "
            f"Leave alpha out, or choose another model."
        )
    decided = family.pretrained[0] if base_model == AUTO else base_model
    if family.weights is None:
        return backbone_weights.resolve(decided, alpha=alpha, backbone=family.backbone)
    if base_model == NONE:
        return BaseModel(NONE, 1.0)
    if decided in family.pretrained:
        path = family.weights.find(decided)
        if path:
            return BaseModel(decided, 1.0, detector=family.weights.read(path))
        if base_model != AUTO:
            raise TrainingError(
                f"--base-model {base_model}: the weights of {family.name} are not here; expected them or a network. "
                f"Run preannotate get base {family.name} --from FILE, or leave --base-model out."
            )
        log.warning(
            "%s starts from random weights, which give far lower scores with few images; --model auto starts from "
            "pretrained ones where there are any.",
            family.name,
        )
        return BaseModel(NONE, 1.0)
    path = Path(base_model)
    if not path.is_file():
        raise TrainingError(
            f"--base-model: {base_model!r} is not a file; expected {', '.join([*family.pretrained, NONE])}, the folder "
            f"of a run, or a .pth or .onnx file of {family.name}."
        )
    return BaseModel(path.name, 1.0, detector=family.weights.read(path))


def load(network: Network, base: BaseModel, family: ModelFamily, labels: Sequence[str]) -> None:
    """Load the weights into a new network; a TrainingError if they do not fit."""
    if family.weights is None:
        backbone_weights.load(network.backbone, base, family.backbone)
    elif base.detector:
        known = family.weights.load(network, base.detector, labels)
        if known:
            log.info("%s start from the class weights of %s", ", ".join(known), base.source)
        if family.learns_masks:
            fresh = _layers_without(network, base.detector.by_layer)
            log.info(
                "%s: all %d layers of %s are loaded; %s for masks start from random weights",
                *(base.source, len(base.detector.by_layer), family.without_masks, plural(fresh, "layer")),
            )


def _layers_without(network: Network, loaded: Container[str]) -> int:
    """Return how many layers have weights of their own that were not loaded."""
    layers = (*network.backbone.layers, *network.keras_model.layers)
    return len({one.name for one in layers if one.weights and not hasattr(one, "layers") and one.name not in loaded})
