"""Check that a function directory is what was trained, and that nuclio and CVAT accept it.

First what can be checked without running it, then whether its files are those of the last proof, then the proof. The
result is written to `parity.json`.
"""

from dataclasses import replace
from pathlib import Path

from builder import static_check
from builder.child import require_packages
from builder.errors import BuildError
from builder.function_directory import FunctionDirectory, Proof, ProofFigures
from builder.proof import prove

_NEEDED = {"openvino": "build", "nuclio_sdk": "build", "pycocotools": "build"}


def check(function_dir: Path, validation: Path | None = None, *, accept_changes: bool = False) -> Proof:
    """Check a function directory and write its `parity.json`.

    A file that changed since the last proof is a problem even if the function would pass with it: a check that anybody
    runs must not turn a changed network into a proven one.

    Args:
        function_dir: functions/NAME or functions/NAME/nuclio.
        validation: The frozen validation images; None for the folder that `build` put beside it.
        accept_changes: Prove the files as they are now, whatever was proven before.

    Raises:
        BuildError: There is no such directory, a package is missing, or a variant does not start.
    """
    directory = FunctionDirectory.open(function_dir)
    try:
        before = directory.proof() or Proof()
    except BuildError:
        before = Proof()  # a damaged one is replaced
    problems, notes = static_check.problems(directory.path), static_check.notes(directory.path)
    if not accept_changes:
        named = {problem.partition(":")[0] for problem in problems}
        problems += [found for found in directory.changed_files(before) if found.partition(":")[0] not in named]
    # A failed check keeps the digests of what was proven, so that the next one still compares with them.
    result = replace(before, problems=tuple(problems), notes=tuple(notes), figures=ProofFigures())
    if not problems:  # a broken directory does not run, and its problems say why
        require_packages(_NEEDED, "checking")
        digests = directory.digests  # before it runs: what changes meanwhile is not proven
        proof = prove(directory, validation or directory.validation)
        result = replace(proof, notes=(*notes, *proof.notes), digests=before.digests if proof.problems else digests)
    directory.write_proof(result)
    return result
