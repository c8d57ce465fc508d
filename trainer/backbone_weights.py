"""Where a backbone's weights come from: ImageNet through Keras, a file, or nowhere."""

import contextlib
import logging
import socket
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras

from trainer.errors import TrainingError

log = logging.getLogger(__name__)

IMAGENET, NONE = "imagenet", "none"
# A firewall that drops packets must not hold up training for the minutes that TCP would try.
DOWNLOAD_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class BaseModel:
    """What a run starts from.

    Attributes:
        source: `imagenet`, `none`, or the name of a file.
        alpha: Width of the backbone that the weights fit.
        path: The file of weights, if they come from one.
        original: The network that Keras fetched, if they come from ImageNet.
    """

    source: str
    alpha: float
    path: Path | None = None
    original: keras.Model | None = None

    @property
    def pretrained(self) -> bool:
        """Whether there are weights at all."""
        return self.source != NONE


def resolve(base_model: str, *, alpha: float) -> BaseModel:
    """Find the weights before anything expensive happens.

    Args:
        base_model: `imagenet`, `none`, or a path to a file of weights of keras.applications.MobileNetV2
            without top.
        alpha: As asked for; 0 chooses.

    Raises:
        TrainingError: A file that is missing, is no file of weights, or has another alpha.

    """
    if base_model == NONE:
        return BaseModel(NONE, alpha or 0.35)
    if base_model == IMAGENET:
        original = _fetch(alpha or 1.0)
        return BaseModel(IMAGENET, alpha or 1.0, original=original) if original else BaseModel(NONE, alpha or 0.35)
    path = Path(base_model)
    if not path.is_file():
        raise TrainingError(
            f"--base-model: {base_model!r} is no file; expected imagenet, none or a path to a .weights.h5 file."
        )
    found = _alpha_of(path)
    if alpha and alpha != found:
        raise TrainingError(f"{path.name}: weights of alpha {found}; expected {alpha}. Leave alpha out or change it.")
    return BaseModel(path.name, found, path=path)


def load(backbone: keras.Model, base: BaseModel) -> None:
    """Put the weights into the backbone.

    Raises:
        TrainingError: They do not fit.

    """
    if base.original is not None:
        backbone.set_weights(base.original.get_weights())
    if base.path is None:
        return
    try:
        with warnings.catch_warnings():
            # Keras only warns of a layer that the file lacks, and leaves it random.
            warnings.simplefilter("error", UserWarning)
            backbone.load_weights(base.path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        first_line = str(error).strip().splitlines()[0]
        raise TrainingError(
            f"{base.path.name}: {first_line}; expected weights of MobileNetV2 with alpha {base.alpha} without top."
        ) from error


def _fetch(alpha: float) -> keras.Model | None:
    """MobileNetV2 with the ImageNet weights that Keras keeps or fetches; None with a warning of what is lost."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
    try:
        # Keras shows the download on stdout, which belongs to the results.
        with contextlib.redirect_stdout(sys.stderr):
            return keras.applications.MobileNetV2((224, 224, 3), alpha=alpha, include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception for a refused or broken download
        reason = str(error).strip().splitlines()[-1]
        log.warning(
            "ImageNet weights cannot be fetched (%s): training starts from random weights and reaches far less "
            "with few images. Fetch mobilenet_v2_weights_tf_dim_ordering_tf_kernels_%s_224_no_top.h5 elsewhere "
            "and pass --base-model PATH.",
            reason,
            alpha,
        )
        return None
    finally:
        socket.setdefaulttimeout(before)


def _alpha_of(path: Path) -> float:
    """The width multiplier of a file of MobileNetV2 weights, read from the shape of its last projection."""
    # Input and output channels of block_16_project: 6 · 160 · alpha and 320 · alpha, in steps of 8.
    known = {
        (336, 112): 0.35,
        (480, 160): 0.5,
        (720, 240): 0.75,
        (960, 320): 1.0,
        (1248, 416): 1.3,
        (1344, 448): 1.4,
    }
    shapes: set[tuple[int, int]] = set()

    def collect(_: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and len(item.shape) == 4 and item.shape[:2] == (1, 1):
            shapes.add(item.shape[2:])

    _visit(path, collect)
    fitting = [alpha for shape, alpha in known.items() if shape in shapes]
    if len(fitting) != 1:
        raise TrainingError(f"{path.name}: no weights of MobileNetV2; expected a .weights.h5 file without top.")
    return fitting[0]


def _visit(path: Path, collect: Callable[[str, object], None]) -> None:
    try:
        with h5py.File(path, "r") as file:
            file.visititems(collect)
    except OSError as error:
        raise TrainingError(f"{path.name}: not an HDF5 file; expected a .weights.h5 file without top.") from error
