"""Print the requirements of some extras of ./pyproject.toml, which are installed before the sources are copied."""

import sys
import tomllib
from pathlib import Path

PROJECT = Path("pyproject.toml")


def requirements(extras: str, project: Path = PROJECT) -> list[str]:
    """Return what the project needs with `extras`, given as `train,serve`; SystemExit names one that it lacks."""
    content = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    optional = content["optional-dependencies"]
    names = [name.strip() for name in extras.split(",") if name.strip()]
    for name in names:
        if name not in optional:
            raise SystemExit(
                f"EXTRAS: {name!r}; expected some of {', '.join(sorted(optional))}. Correct the build argument."
            )
    return [*content["dependencies"], *(requirement for name in names for requirement in optional[name])]


if __name__ == "__main__":
    print(*requirements(sys.argv[1]), sep="\n")
