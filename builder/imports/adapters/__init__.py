"""What the outputs of a network mean: one file for each layout, found by its name.

An adapter has

    OUTPUTS       what it decodes, in words
    GRAPHS        the kinds of files whose networks it decodes: "onnx", "ir", "saved_model"
    PIXELS        the usual `builder.imports.layout.Preprocessing` of such networks; the user may override it
    FIRST_CLASS   usual class number of the first label, if the network returns class numbers
    THRESHOLD     minimum score that its authors use; the default if no image is annotated
    match(outputs, input_size) -> AdapterMatch | None     whether names and shapes fit, and how many classes they have
    decode(arrays, layout) -> boxes, scores               in NumPy, for the reference
    graph(outputs, layout, ops) -> boxes, scores          the same as operations of the served graph

and, if the networks give masks,

    MASK_HEAD     `runtime.manifest.MaskHead`: how the runtime composes them
    decode_masks(arrays, layout) -> {name: array}         outputs of masks of the engine contract, in NumPy
    graph_masks(outputs, layout, ops) -> {name: node}     the same as operations

and, if another layout has the same shapes,

    contradiction(arrays, layout) -> str    what in the values on several images, side by side, cannot be such outputs

`decode` and `graph` are written independently on purpose: each verifies the other. Boxes are (1, N, 4), xyxy,
input pixels; scores (1, N, K), in [0, 1].
"""

import importlib
import pkgutil
import re
from collections import Counter
from dataclasses import dataclass
from types import ModuleType

from builder.imports import unsupported
from builder.imports.errors import GUIDE, UnsupportedModelError
from builder.imports.layout import AdapterMatch, Shapes
from preannotate.core.text import first_of, plural, printable
from runtime.manifest import MaskHead

# Of a message, which stays shorter than 300 characters.
_SHOWN_OUTPUTS = 3
_NEAREST = 2
# A shape in the words of an adapter: "(1, A, 5 + K)".
_PATTERN = re.compile(r"\([^()]*,[^()]*\)|\(N\)")


def names() -> list[str]:
    """List all adapters, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """Import one of `names()`."""
    return importlib.import_module(f"{__name__}.{name}")


def mask_head(adapter: ModuleType) -> MaskHead | None:
    """Return how the masks of an adapter's networks are composed; None if they give none."""
    head: MaskHead | None = getattr(adapter, "MASK_HEAD", None)
    return head


def reads_masks(outputs: Shapes, input_size: tuple[int, int]) -> bool:
    """Whether an adapter knows such outputs as those of boxes with masks."""
    adapters = map(load, names())
    return any(mask_head(adapter) is not None and adapter.match(outputs, input_size) for adapter in adapters)


@dataclass(frozen=True)
class Candidate:
    """An adapter whose layout fits the outputs of a network, which may still mean something else."""

    name: str
    adapter: ModuleType
    match: AdapterMatch


def fitting_adapters(
    kind: str, outputs: Shapes, input_size: tuple[int, int], *, num_labels: int, wanted: str | None
) -> list[Candidate]:
    """Return the adapters whose layout fits; at least one. If some read masks, only these.

    Args:
        kind: "onnx", "ir" or "saved_model".
        outputs: Of the network.
        input_size: (width, height).
        num_labels: Number of class names.
        wanted: The only adapter to consider; None for all.

    Raises:
        UnsupportedModelError: None fits, or the number of labels is not that of the classes.
    """
    masks = reads_masks(outputs, input_size)
    possible = {
        name: adapter
        for name, adapter in ((name, load(name)) for name in ([wanted] if wanted else names()))
        if wanted or (mask_head(adapter) is not None) == masks
    }
    fitting = [
        Candidate(name, adapter, match)
        for name, adapter in possible.items()
        if kind in adapter.GRAPHS and (match := adapter.match(outputs, input_size))
    ]
    counted = [candidate for candidate in fitting if candidate.match.fits_labels(num_labels)]
    if counted:
        return counted
    shown = describe_outputs(outputs)
    if fitting:
        counts = " or ".join(sorted({str(candidate.match.num_classes) for candidate in fitting}))
        one_more = any(candidate.match.num_classes == num_labels + 1 for candidate in fitting)
        oriented = " (if it is no network of oriented boxes, OBB)" if one_more else ""
        raise UnsupportedModelError(
            f"outputs {shown} of {counts} classes, and {plural(num_labels, 'label')}; expected one for each class. "
            f"Correct the labels{oriented}, or see {GUIDE}."
        )
    if wanted:
        expected = possible[wanted].OUTPUTS if kind in possible[wanted].GRAPHS else f"another kind of file than {kind}"
        raise UnsupportedModelError(
            f"outputs {shown}; expected for --adapter {wanted} {printable(expected, 100)}. See {GUIDE}."
        )
    if unsupported.is_raw_levels(outputs, input_size):
        raise UnsupportedModelError(
            f"outputs {shown}: feature levels without decoding; expected boxes. Export with decoding: {GUIDE}."
        )
    raise UnsupportedModelError(
        f"outputs {shown}; expected a known layout, the nearest: {_nearest(kind, outputs)}. "
        f"Export in another way: {GUIDE}."
    )


def _nearest(kind: str, outputs: Shapes) -> str:
    """The adapters whose outputs have the most like numbers of dimensions come first."""
    ranks = Counter(len(shape) for shape in outputs.values())

    def distance(pattern: str) -> int:
        expected = Counter(shape.count(",") + 1 for shape in _PATTERN.findall(pattern))
        return ((ranks - expected) + (expected - ranks)).total()

    known = {name: adapter for name in names() if mask_head(adapter := load(name)) is None}
    patterns = {name: adapter.OUTPUTS for name, adapter in known.items() if kind in adapter.GRAPHS}
    nearest = sorted(patterns, key=lambda name: (distance(patterns[name]), name))[:_NEAREST]
    first = ((name, _PATTERN.search(patterns[name])) for name in nearest)
    return ", ".join(f"{name} {pattern[0]}" if pattern else name for name, pattern in first)


def describe_outputs(outputs: Shapes) -> str:
    """Names and shapes for a message; the names are a stranger's."""
    return first_of(
        [
            f"{printable(name, 24)} ({', '.join('?' if side < 0 else str(side) for side in shape)})"
            for name, shape in outputs.items()
        ],
        _SHOWN_OUTPUTS,
    )
