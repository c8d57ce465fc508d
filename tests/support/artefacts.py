"""Trained networks and built functions that many tests look at, kept from one test run to the next.

They lie in .cache/tests, under a digest of the sources and libraries that made them: a change of any of these makes
them anew. Test processes that run side by side wait for one another instead of making them twice.
"""

import hashlib
import pickle
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from preannotate.core.locks import file_lock

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache" / "tests"
# What training, building and proving run through.
_SOURCES = ("functions/runtime", "evaluation", "trainer", "builder", "preannotate/core", "preannotate/formats")
_LIBRARIES = ("keras", "numpy", "nuclio-sdk", "openvino", "pillow", "tensorflow-cpu")
_WAIT_SECONDS = 900
_RESULT = "result.pickle"

Result = TypeVar("Result")


def kept(name: str, make: Callable[[Path], Result], *scripts: Path) -> Result:
    """Return what `make` returned, now or in an earlier test run.

    Args:
        name: Of the artefact.
        make: Writes into the new folder it is given and returns something that can be pickled. Paths in it stay true.
        scripts: Further sources it was made by.
    """
    folder = FOLDER / f"{name}-{_digest(scripts)}"
    with file_lock(FOLDER / f"{name}.lock", f"{name}: made by another process", wait_seconds=_WAIT_SECONDS):
        result = folder / _RESULT
        if not result.is_file():
            for older in FOLDER.glob(f"{name}-*"):
                shutil.rmtree(older)
            folder.mkdir(parents=True)
            made = make(folder)
            result.write_bytes(pickle.dumps(made))
        return pickle.loads(result.read_bytes())


def _digest(scripts: tuple[Path, ...]) -> str:
    digest = hashlib.sha256(str(ROOT).encode())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    sources = [path for folder in _SOURCES for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in sorted({*sources, *scripts}):
        if "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(ROOT)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
