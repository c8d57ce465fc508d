"""Function directories that count as proven although nothing was run."""

from pathlib import Path
from typing import Any

from builder.function_directory import FunctionDirectory, Proof


def prove(directory: Path, **figures: Any) -> None:
    """Write a `parity.json` that passed, with the digests of the files as they are now."""
    function = FunctionDirectory(directory)
    function.write_proof(Proof(figures=figures, digests=function.digests))
