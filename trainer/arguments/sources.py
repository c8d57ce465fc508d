"""The three sources of arguments and their precedence.

`--arguments` overrules a YAML file (`--config`), and `--set` overrules both.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from preannotate.core.encodings import read_text
from runtime import bounded_yaml
from trainer.arguments.table import ARGUMENTS, Value, parse_value
from trainer.config import LARGEST_SIDE, SMALLEST_SIDE
from trainer.errors import TrainingError

# Names of TensorFlow's Object Detection API: of its command line and `pipeline.config` (train_config, image_resizer).
SYNONYMS = {
    "num_epochs": "epochs",
    "num_steps": "steps",
    "num_train_steps": "steps",
    "learning_rate": "initial_learning_rate",
    "num_gpus": "num_clones",
    "height": "image_height",
    "width": "image_width",
}
# Two numbers that are one `image_size`: its form, and the names in the order of the form.
PAIRS = {
    "{}x{}": ("image_width", "image_height"),
    "{}-{}": ("min_dimension", "max_dimension"),
}
PAIRED = tuple(name for pair in PAIRS.values() for name in pair)
_WAYS = "one of image_size, image_width with image_height, min_dimension with max_dimension"
# Two arguments for one thing: a later source with one of them overrules an earlier source with the other.
RIVALS = {"epochs": "steps", "steps": "epochs"}


def read_arguments(file: Path | None, arguments: str, settings: Sequence[str]) -> dict[str, Value]:
    """Return the requested arguments by name, None where a value is set to auto or none.

    They come from a YAML file, the text of `--arguments`, and that of each `--set`.

    Raises:
        TrainingError: An unknown name or an impossible value, with the choices; a name given twice.
    """
    overrides: dict[str, Value] = {}
    sources = [read_file(file)] if file else []
    sources += [parse_arguments(arguments), parse_arguments("\n".join(settings), where="--set")]
    for source in sources:
        for name in source:
            overrides.pop(RIVALS.get(name, ""), None)
        overrides.update(source)
    return overrides


def parse_arguments(text: str, *, where: str = "arguments") -> dict[str, Value]:
    """Return the values of `epochs=40,batch_size=16` by name; `where` is the source, for errors.

    Commas, semicolons and newlines separate parts; `-` and `_` are alike; `#` starts a comment that ends with its line.

    Raises:
        TrainingError: An unknown name or an impossible value, with the choices; a name given twice.
    """
    lines = (line.split("#", 1)[0] for line in text.splitlines())
    parts = [part.strip() for part in ",".join(lines).replace(";", ",").split(",") if part.strip()]
    for part in parts:
        if "=" not in part:
            raise TrainingError(f"{where}: {part!r}; expected name=value, such as epochs=40.")
    return _values((part.split("=", 1) for part in parts), where=where)


def read_file(path: Path) -> dict[str, Value]:
    """Return the arguments in a YAML file, one a line, as in `epochs: 40`.

    Raises:
        TrainingError: The file cannot be read or holds more than names and values; or as in `parse_arguments`.
    """
    expected = "expected YAML with one argument a line, such as epochs: 40"
    try:
        text = read_text(path, max_bytes=bounded_yaml.MAX_LENGTH)
        bounded_yaml.check(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: {error}; {expected}.") from error
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        kind = "list" if isinstance(node, yaml.SequenceNode) else "single value"
        raise TrainingError(f"{path}: a {kind} at the top; {expected}.")
    for name, value in node.value:
        if not (isinstance(name, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)):
            line = name.start_mark.line + 1
            raise TrainingError(f"{path}: line {line} holds more than a name and a value; {expected}.")
    return _values(((name.value, value.value) for name, value in node.value), where=str(path))


def _values(pairs: Iterable[Sequence[str]], *, where: str) -> dict[str, Value]:
    texts: dict[str, str] = {}
    for written, text in pairs:
        name = _canonical_name(written)
        if name not in ARGUMENTS and name not in PAIRED:
            raise TrainingError(f"{where}: unknown name {written.strip()!r}; expected one of: {_choices()}.")
        if name in texts:
            raise TrainingError(f"{where}: {name} twice; expected it once.")
        texts[name] = text.strip()
    values = {name: parse_value(name, text, where=where) for name, text in _join_sizes(texts, where=where).items()}
    _check_rivals(values, where)
    return values


def _check_rivals(values: Mapping[str, Value], where: str) -> None:
    if values.get("epochs") and values.get("steps"):
        raise TrainingError(
            f"{where}: epochs={values['epochs']} and steps={values['steps']}; expected one of them. Leave one out."
        )


def _choices() -> str:
    return ", ".join(sorted([*ARGUMENTS, *PAIRED]))


def _canonical_name(name: str) -> str:
    """Return the name of an argument here: `-` and `_` are alike, synonyms are replaced."""
    name = name.strip().replace("-", "_")
    return SYNONYMS.get(name, name)


def _join_sizes(values: Mapping[str, str], *, where: str) -> dict[str, str]:
    """Return `values` with sizes in two numbers as one `image_size`; half of a pair, or two forms, is an error."""
    given_sizes = [name for name in values if name == "image_size" or name in PAIRED]
    rest = {name: text for name, text in values.items() if name not in PAIRED}
    for form, pair in PAIRS.items():
        given = [name for name in pair if name in values]
        if not given:
            continue
        others = [name for name in given_sizes if name not in pair]
        if others:
            raise TrainingError(f"{where}: {others[0]} together with {given[0]}; expected {_WAYS}.")
        if len(given) == 1:
            other = pair[0] if given == [pair[1]] else pair[1]
            raise TrainingError(f"{where}: {given[0]} without {other}; expected both, or image_size.")
        rest["image_size"] = form.format(*(_side(name, values[name], form, where) for name in pair))
    return rest


def _side(name: str, text: str, form: str, where: str) -> str:
    step = 32 if "x" in form else 1
    if not (text.isascii() and text.isdigit()) or int(text) % step or not SMALLEST_SIDE <= int(text) <= LARGEST_SIDE:
        kind = f"a multiple of {step}" if step > 1 else "a whole number of pixels"
        raise TrainingError(f"{where}: {name}={text}; expected {kind} from {SMALLEST_SIDE} to {LARGEST_SIDE}.")
    return text
