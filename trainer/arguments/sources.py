"""The three sources of arguments and their precedence.

`--arguments` overrules a YAML file (`--config`), and `--set` overrules both.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from trainer.arguments.spellings import PAIRED, canonical_name, join_sizes
from trainer.arguments.table import ARGUMENTS, Value, parse_value
from trainer.errors import TrainingError

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
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: {error}; {expected}.") from error
    except yaml.YAMLError as error:
        raise TrainingError(f"{path}: {' '.join(str(error).split())}; {expected}.") from error
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
        name = canonical_name(written)
        if name not in ARGUMENTS and name not in PAIRED:
            raise TrainingError(f"{where}: unknown name {written.strip()!r}; expected one of: {_choices()}.")
        if name in texts:
            raise TrainingError(f"{where}: {name} twice; expected it once.")
        texts[name] = text.strip()
    values = {name: parse_value(name, text, where=where) for name, text in join_sizes(texts, where=where).items()}
    _check_rivals(values, where)
    return values


def _check_rivals(values: Mapping[str, Value], where: str) -> None:
    if values.get("epochs") and values.get("steps"):
        raise TrainingError(
            f"{where}: epochs={values['epochs']} and steps={values['steps']}; expected one of them. Leave one out."
        )


def _choices() -> str:
    return ", ".join(sorted([*ARGUMENTS, *PAIRED]))
