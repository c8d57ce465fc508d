"""Which adapter decodes a network: the one that the user names, or the only one whose layout fits."""

from types import ModuleType

from builder.imports import adapters
from builder.imports.errors import UnsupportedModelError
from builder.imports.layout import AdapterMatch, Shapes


def choose_adapter(
    kind: str, outputs: Shapes, input_size: tuple[int, int], *, num_labels: int, wanted: str | None
) -> tuple[str, ModuleType, AdapterMatch]:
    """Find the adapter.

    Args:
        kind: Of the file: "onnx", "ir" or "saved_model".
        outputs: Of the network.
        input_size: (width, height).
        num_labels: How many names the user gave.
        wanted: The name of an adapter; None looks for one.

    Returns:
        Its name, the adapter, and what it decodes.

    Raises:
        Refused: None fits, several do, or the network has another number of classes than there are labels.
    """
    possible = {name: adapters.load(name) for name in ([wanted] if wanted else adapters.names())}
    possible = {name: adapter for name, adapter in possible.items() if kind in adapter.GRAPHS}
    fitting = {name: match for name, adapter in possible.items() if (match := adapter.match(outputs, input_size))}
    counted = {name: match for name, match in fitting.items() if match.num_classes in (None, num_labels)}
    if len(counted) == 1:
        ((name, match),) = counted.items()
        return name, possible[name], match
    if counted:
        raise UnsupportedModelError(
            f"outputs {describe_outputs(outputs)}, which {' and '.join(counted)} decode; expected one adapter to fit. "
            f"Choose it with --adapter."
        )
    if fitting:
        counts = " or ".join(str(match.num_classes) for match in fitting.values())
        raise UnsupportedModelError(
            f"{num_labels} labels for {counts} classes of the network; expected one name for each class, in the order "
            f"of its training. Correct the file of labels."
        )
    known = " | ".join(f"{name}: {adapter.OUTPUTS}" for name, adapter in possible.items())
    raise UnsupportedModelError(
        f"outputs {describe_outputs(outputs)} at input {input_size[0]}x{input_size[1]}; expected those of an adapter "
        f"for such files ({known or f'{wanted} reads none'}). Export the model in another way, or write an adapter."
    )


def describe_outputs(outputs: Shapes) -> str:
    """Names and shapes for a message."""
    return ", ".join(
        f"{name} ({', '.join('?' if side < 0 else str(side) for side in shape)})" for name, shape in outputs.items()
    )
