"""Change the score thresholds of a function that is built and proven.

The proof compares detections from a score of 0.05 on (`evaluation.parity.MIN_COMPARED_SCORE`), whatever the thresholds
are, so it stays valid: the new `model.json` is written from the proven one, and its digest replaces the old one.

One kind of proof depends on thresholds: if no validation image is annotated, mAP50 is measured against the detections
of the reference network that reach them. Then the function is first checked with the new thresholds.
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from builder.errors import BuildError
from builder.function_directory import MANIFEST_FILE, FunctionDirectory, Proof, file_digest
from preannotate.core.drafts import working_directory
from preannotate.core.files import replacing
from runtime.manifest import Manifest


def change_threshold(function: Path, value: float | Mapping[str, float], *, where: str) -> None:
    """Change the thresholds of a function together with its proof: both or neither, also after a power cut.

    A function that was not proven, or has other files that changed since, stays so.

    Args:
        function: functions/NAME or functions/NAME/nuclio.
        value: In [0, 1]; for all labels, or label to value for some.
        where: Begins the message if a value is refused.

    Raises:
        BuildError: A value outside [0, 1], an unknown label, or a `model.json` that is not the proven one.
        CheckFailed: With the new thresholds the function does not pass.
        FunctionError: `model.json` is broken.
    """
    directory = FunctionDirectory.open(function)
    manifest = _changed(Manifest.read(directory.path), directory.labels, value, where)
    file = directory.path / MANIFEST_FILE
    proof = directory.proof()
    if proof is None or not proof.digests:
        with replacing(file) as temporary:
            manifest.write(temporary)
        return
    if file_digest(file) not in (proof.digests.get(MANIFEST_FILE), proof.next_manifest):
        raise BuildError(
            f"{file}: changed after the proof; expected the file that was proven. Build the function again, or accept "
            f"the change: preannotate check --accept-changes {directory.path}"
        )
    with replacing(file) as temporary:
        manifest.write(temporary)
        digest = file_digest(temporary)
        if proof.figures.get("boxes") == 0:  # nobody annotated the validation images
            proof = replace(_proven_again(directory, temporary), digests=proof.digests)
        # From here until the last line both manifests count as proven: whenever this stops, the one in place does.
        directory.write_proof(replace(proof, next_manifest=digest))
    directory.write_proof(replace(proof, digests={**proof.digests, MANIFEST_FILE: digest}, next_manifest=""))


def _proven_again(directory: FunctionDirectory, manifest: Path) -> Proof:
    """Check a copy with another `model.json`."""
    from builder.check import check  # needs packages that only building and checking need

    with working_directory() as work:
        copy = Path(work) / directory.path.parent.name / "nuclio"
        shutil.copytree(directory.path, copy, ignore=shutil.ignore_patterns(".*"))
        shutil.copyfile(manifest, copy / MANIFEST_FILE)
        FunctionDirectory(copy).write_proof(Proof())
        proof = check(copy, directory.validation)
    proof.raise_if_failed()
    return proof


def _changed(manifest: Manifest, labels: tuple[str, ...], value: float | Mapping[str, float], where: str) -> Manifest:
    """Return the manifest with other thresholds; `labels` are those of `function.yaml`."""
    cut = manifest.postprocess
    if not isinstance(value, Mapping):
        every = _checked(value, where)
        return replace(manifest, postprocess=replace(cut, threshold=every, thresholds=(every,) * len(labels)))
    for label in value:
        if label not in labels:
            raise BuildError(f"{where}: no label {label!r}; expected one of: {', '.join(labels)}.")
    pairs = zip(labels, cut.thresholds, strict=True)
    thresholds = tuple(_checked(value.get(label, before), f"{where}: label {label!r}") for label, before in pairs)
    return replace(manifest, postprocess=replace(cut, thresholds=thresholds))


def _checked(value: float, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BuildError(f"{where}: threshold {value!r}; expected a number in [0, 1].")
    return float(value)
