"""From an export directory to a function directory that nuctl can deploy and `serve` can run."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import runtime
from builder import check as checking
from builder import openvino_ir
from builder import precision as precisions
from builder.errors import BuildError
from builder.function_directory import MODEL_FINGERPRINT, VALIDATION_FOLDER, ArtefactScores, Proof, network_fingerprint
from builder.function_yaml import FINGERPRINT, PRECISION, check_name, function_yaml
from builder.proof import PRECISION_KEY, precision_of
from builder.static_check import TEMPLATE, runtime_files
from builder.variants import GRAPHS, Variant, find_graph, open_graph, possible
from preannotate.core.files import new_directory
from preannotate.core.text import format_score
from runtime.manifest import FILE_NAME, Manifest

# In this order: should the machine stop in between, an old function with new images can still be checked.
PARTS = (VALIDATION_FOLDER, "nuclio")


@dataclass(frozen=True)
class BuildResult:
    """A function that passed its check.

    Attributes:
        directory: functions/NAME/nuclio.
    """

    name: str
    directory: Path
    proof: Proof


def build(
    run_or_export: Path,
    output: Path,
    *,
    name: str | None = None,
    overwrite: bool = False,
    precision: str = "fp16",
    progress: Callable[[str], None] = lambda step: None,
) -> BuildResult:
    """Turn a trained model into OUTPUT/NAME/nuclio, whole or not at all, and prove it.

    Args:
        run_or_export: A run directory, or its `export/`.
        output: The parent of function directories, usually `functions`.
        name: None uses the run's.
        overwrite: Replace an existing OUTPUT/NAME, at the very end.
        precision: Of the CPU variant's weights: "fp16", or "int8", which is used only if it is accurate enough.
        progress: Called with a description of each step.

    Raises:
        BuildError: A step could not run.
        CheckFailed: The function does not detect what the trained network does.
        FunctionError: `model.json` is missing or broken.
    """
    export = find_export(run_or_export)
    manifest = Manifest.read(export)
    name = default_name(run_or_export) if name is None else name
    check_name(name)
    if precision == "int8":
        precisions.check_possible(export)
    variants = possible(open_graph(export))
    with new_directory(output / name, PARTS, overwrite=overwrite) as draft:
        directory = draft / "nuclio"
        _keep_proof(export, draft / VALIDATION_FOLDER)
        assemble(export, directory, name, manifest)
        for variant in variants:
            progress(f"Converting for {variant.framework}")
            if variant.engine == "tensorflow":  # it reads the SavedModel as it is
                shutil.copytree(export / "saved_model", directory / "saved_model", copy_function=shutil.copyfile)
            else:
                openvino_ir.convert(export, directory, manifest.input_size)
        if precision == "int8":
            outcome = precisions.quantise(export, directory, draft / VALIDATION_FOLDER, progress)
            written = Manifest.read(directory)
            replace(written, provenance={**written.provenance, PRECISION_KEY: outcome}).write(directory / FILE_NAME)
        progress("Running what was built on the validation images")
        proof = checking.check(directory)
        proof.raise_if_failed()
        annotated = proof.figures["boxes"] > 0
        served = proof.figures["scores"]["served"] if annotated else None
        write_function_yamls(directory, variants, name, manifest, served)
    return BuildResult(name, output / name / "nuclio", proof)


def assemble(export: Path, directory: Path, name: str, manifest: Manifest) -> None:
    """Write everything but the weights and `parity.json` into a new `directory`."""
    directory.mkdir()
    for source in sorted(TEMPLATE.glob("*.py")):
        shutil.copyfile(source, directory / source.name)
    runtime_source = Path(runtime.__file__).parent
    for file in runtime_files(runtime_source):
        (directory / "runtime" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(runtime_source / file, directory / "runtime" / file)
    graph = open_graph(export)
    fingerprint = network_fingerprint(export / graph.folder)
    manifest = replace(manifest, provenance={**manifest.provenance, MODEL_FINGERPRINT: fingerprint})
    manifest.write(directory / FILE_NAME)
    write_function_yamls(directory, possible(graph), name, manifest)


def write_function_yamls(
    directory: Path, variants: Sequence[Variant], name: str, manifest: Manifest, served: ArtefactScores | None = None
) -> None:
    """Write one YAML file for each variant; `served` are the scores of the served detections, None if not measured."""
    written = Manifest.read(directory)
    annotations = {FINGERPRINT: written.provenance[MODEL_FINGERPRINT]}
    if served is not None:
        annotations["preannotate.map50"] = format_score(served["map50"], 4)
        annotations["preannotate.mean_ap"] = format_score(served["mean_ap"], 4)
    for variant in variants:
        # Only what differs from the default is written, and only the CPU variant can differ.
        quantised = {PRECISION: "int8"} if variant.engine == "openvino" and precision_of(written) == "int8" else {}
        text = function_yaml(name, variant, manifest, annotations | quantised)
        (directory / variant.file).write_text(text, encoding="utf-8")


def _keep_proof(export: Path, validation: Path) -> None:
    """Copy what only a check needs: the frozen images, and the graph unless a variant contains it."""
    shutil.copytree(export / "validation", validation, copy_function=shutil.copyfile)
    graph = open_graph(export)
    if not any(file.startswith(f"{graph.folder}/") for variant in possible(graph) for file in variant.files):
        shutil.copytree(export / graph.folder, validation / graph.folder, copy_function=shutil.copyfile)


def find_export(run_or_export: Path) -> Path:
    """Return the export directory of a run, or the path itself if it is one.

    Raises:
        BuildError: It is missing or not complete.
    """
    export = run_or_export / "export" if (run_or_export / "export").is_dir() else run_or_export
    if not run_or_export.is_dir():
        raise BuildError(
            f"{run_or_export}: no such folder; expected a run directory, as `preannotate train` and `import` make it."
        )
    missing = [part for part in (FILE_NAME, "validation") if not (export / part).exists()]
    if find_graph(export) is None:
        missing.append(" or ".join(GRAPHS))
    if missing:
        raise BuildError(
            f"{export}: no {' and no '.join(missing)}; expected the export directory of a finished training "
            f"or import. Train to the end, or resume, or import again."
        )
    return export


def default_name(run_or_export: Path) -> str:
    """Turn the run's name into one for a function: runs/My_Cars/export becomes my-cars."""
    path = run_or_export.resolve()
    stem = path.parent.name if path.name == "export" else path.name
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
