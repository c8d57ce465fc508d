"""Base weights of a backbone: pretrained ones that its family has, a file, or none."""

import contextlib
import logging
import socket
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py  # type: ignore[import-untyped]
import keras

from preannotate.core.text import printable
from trainer.errors import TrainingError
from trainer.models.backbone import Backbone
from trainer.models.detector_weights import DetectorTensors
from trainer.request import NONE

log = logging.getLogger(__name__)

# A firewall that drops packets must not hold up training for the minutes that TCP would try.
DOWNLOAD_TIMEOUT_SECONDS = 20
# Weights hardly become smaller by compression.
_COMPRESSION = 20


@dataclass(frozen=True)
class BaseModel:
    """Weights that a run starts from.

    Attributes:
        source: `imagenet` and the like, `none`, the name of a file, or that of an earlier run.
        alpha: Width of the backbone that the weights fit.
        original: The pretrained network, if the weights come from one.
        detector: Those of a whole detector, of families that start from one.
    """

    source: str
    alpha: float
    path: Path | None = None
    original: keras.Model | None = None
    detector: DetectorTensors | None = None

    @property
    def pretrained(self) -> bool:
        """Whether there are weights at all."""
        return self.source != NONE


def resolve(base_model: str, *, alpha: float | None, backbone: Backbone) -> BaseModel:
    """Find the weights before anything expensive happens.

    `base_model` is `none`, a name that the backbone has pretrained weights for, or a path to a file of Keras weights of
    this backbone without top. If `alpha` is None, it is that of the weights, or the backbone's usual one.

    Raises:
        TrainingError: A file that is missing, is no file of weights, or has another alpha; a package is missing.
    """
    scratch = BaseModel(NONE, alpha or backbone.alpha_from_scratch)
    if base_model == NONE:
        return scratch
    if base_model in backbone.pretrained:
        width = alpha or backbone.alpha
        original = _fetch(backbone, base_model, width)
        return BaseModel(base_model, width, original=original) if original else scratch
    path = Path(base_model)
    if not path.is_file():
        names = ", ".join([*backbone.pretrained, NONE])
        raise TrainingError(
            f"--base-model: {base_model!r} is not a file; expected {names}, the folder of a run, or a .weights.h5 file."
        )
    found = _alpha_of(path, backbone)
    if alpha and alpha != found:
        raise TrainingError(f"{path.name}: weights of alpha {found}; expected {alpha}. Leave alpha out or change it.")
    return BaseModel(path.name, found, path=path)


def load(network: keras.Model, base: BaseModel, backbone: Backbone) -> None:
    """Load the weights into a backbone; a TrainingError if they do not fit."""
    if base.original is not None:
        network.set_weights(base.original.get_weights())
    if base.path is None:
        return
    try:
        with warnings.catch_warnings():
            # Keras only warns of a layer that the file lacks, and leaves it random.
            warnings.simplefilter("error", UserWarning)
            network.load_weights(base.path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        first_line = str(error).strip().splitlines()[0]
        raise TrainingError(
            f"{base.path.name}: {first_line}; expected weights of {backbone.name} with alpha {base.alpha} without top."
        ) from error


def _fetch(backbone: Backbone, name: str, alpha: float) -> keras.Model | None:
    """Return the pretrained network, downloaded if needed; None with a warning if it cannot be downloaded."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
    try:
        # Keras shows the download on stdout, which belongs to the results.
        with contextlib.redirect_stdout(sys.stderr):
            return backbone.pretrained[name](alpha)
    except TrainingError:
        raise
    except Exception as error:  # Keras raises a bare Exception for a refused or broken download
        reason = str(error).strip().splitlines()[-1]
        log.warning(
            "ImageNet weights cannot be downloaded (%s): training starts from random weights, which give far lower "
            "scores with few images. Download %s elsewhere and pass --base-model PATH, or use ssd-efficientnet-lite0, "
            "whose weights are a Python package.",
            reason,
            backbone.file.format(alpha=alpha) if backbone.file else "them",
        )
        return None
    finally:
        socket.setdefaulttimeout(before)


def _alpha_of(path: Path, backbone: Backbone) -> float:
    """Return the width of a file of weights, found by the shape of a convolution that only this width has."""
    shapes: set[tuple[int, int]] = set()

    def collect(_: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and len(item.shape) == 4 and item.shape[:2] == (1, 1):
            shapes.add(item.shape[2:])

    _visit(path, collect)
    fitting = [alpha for shape, alpha in backbone.alpha_by_kernel.items() if shape in shapes]
    if len(fitting) != 1:
        raise TrainingError(
            f"{path.name}: no weights of {backbone.name}; expected a .weights.h5 file of it without top."
        )
    return fitting[0]


def _visit(path: Path, collect: Callable[[str, object], None]) -> None:
    try:
        with h5py.File(path, "r") as file:
            _check_plain(file, path)
            file.visititems(collect)
    except OSError as error:
        raise TrainingError(f"{path.name}: not an HDF5 file; expected a .weights.h5 file without top.") from error


def _check_plain(file: h5py.File, path: Path) -> None:
    """Refuse numbers that lie in other files of this machine, and more of them than the file can hold."""
    elsewhere: list[str] = []
    sizes: list[int] = []

    # h5py does not bear an exception in what it calls.
    def note_link(name: str, link: object) -> None:
        if isinstance(link, h5py.ExternalLink):
            elsewhere.append(name)

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            sizes.append(item.nbytes)
            if item.external or item.is_virtual:
                elsewhere.append(name)

    file.visititems_links(note_link)
    file.visititems(note)
    if elsewhere:
        raise _not_plain(path, f"the numbers of {elsewhere[0]} lie in another file")
    size = sum(sizes)
    if size > _COMPRESSION * path.stat().st_size:
        raise _not_plain(path, f"{size} bytes of numbers in a file of {path.stat().st_size}")


def _not_plain(path: Path, found: str) -> TrainingError:
    return TrainingError(
        f"{printable(f'{path.name}: {found}')}; expected a file of weights. Save them again with save_weights."
    )
