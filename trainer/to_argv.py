"""The arguments of `train`, said again for another process: a trial's, or that of a pod."""

import argparse
from collections.abc import Callable, Collection
from pathlib import Path

# Given once for each value; the values of other lists follow one flag.
REPEATED = {"set"}


def retell(
    parser: argparse.ArgumentParser,
    arguments: argparse.Namespace,
    *,
    without: Collection[str],
    path: Callable[[Path], object] = str,
) -> list[str]:
    """What follows `train`, so that the other process understands the same.

    Args:
        parser: That understood the arguments; what equals its defaults is not repeated.
        arguments: Of `train`.
        without: Names to leave out.
        path: What a path is for the other process.

    """
    said = [str(path(export)) for export in arguments.exports]
    defaults = vars(parser.parse_args([]))
    for name, value in sorted(vars(arguments).items()):
        if name in ("exports", *without) or name not in defaults or value == defaults[name]:
            continue
        flag = "--" + name.rstrip("_").replace("_", "-")
        values = [] if value is True else value if isinstance(value, list) else [value]
        texts = [str(path(item)) if isinstance(item, Path) else str(item) for item in values]
        said += [part for text in texts for part in (flag, text)] if name in REPEATED else [flag, *texts]
    return said
