"""Where a function directory is: `functions/NAME` holds it as `nuclio/`, and either may be named."""

from pathlib import Path

from builder.errors import BuildError

# One of them is enough: what else is missing is said by those who need it.
_SIGNS = ("main.py", "function.yaml")


def function_directory(path: Path) -> Path | None:
    """The directory that nuclio deploys: `path/nuclio`, or `path` itself; None if neither is one."""
    for directory in (path / "nuclio", path):
        if any((directory / name).is_file() for name in _SIGNS):
            return directory
    return None


def find_function_directory(path: Path) -> Path:
    """As `function_directory`, for whoever cannot do without.

    Raises:
        BuildError: There is none.
    """
    directory = function_directory(path)
    if directory is None:
        raise BuildError(f"{path}: no function directory; expected functions/NAME, as `preannotate build` makes them.")
    return directory
