"""Turn a model trained elsewhere into an export directory, whole or not at all."""

import datetime
import difflib
import importlib.metadata
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from builder import child, openvino_ir
from builder.errors import BuildError
from builder.function_yaml import IMPORTED
from builder.imports import adapters, class_names
from builder.imports.errors import GUIDE
from builder.imports.label_choice import ChosenLabels, LabelChoice
from builder.imports.layout import PreprocessingOptions
from builder.imports.plausibility import ACCURATE_MAP50, BLIND_MAP50, is_annotated, map50_regardless_of_class
from builder.imports.source import Source, content_hash, recognise, stage
from builder.imports.worker import RESULT_FILE, ImportedNetwork, ImportJob
from builder.proof import WHOLE_NETWORK
from evaluation import ground_truth, reference, scores, thresholds
from evaluation.corrections import CorrectionCosts
from evaluation.ground_truth import AnnotatedImage, GroundTruth
from evaluation.parity import MIN_COMPARED_SCORE
from evaluation.scores import Scores
from preannotate.core.drafts import working_directory
from preannotate.core.files import new_directory
from preannotate.core.text import printable
from runtime.detector import Detection
from runtime.image import decode
from runtime.letterbox import Letterbox
from runtime.manifest import FILE_NAME, Manifest, Postprocess

EXPORT_FOLDER = "export"
DEFAULT_IOU_THRESHOLD = 0.5
# By kind of model: each package that reads it, and the extra of this project that installs it. OpenVINO converts all.
_NEEDED = {
    "onnx": {"openvino": "import"},
    "ir": {"openvino": "import"},
    "saved_model": {"openvino": "import", "tensorflow": "train"},
}
# As the trainer writes.
CALIBRATION_IMAGES = 100
_LOW_MAP50 = 0.3
# Of two of three labels that have changed places, a third of mAP50 is left.
_PART_WITH_LABELS = 0.7


@dataclass(frozen=True)
class ImportRequest:
    """What is imported, and how.

    Attributes:
        model: A SavedModel folder, an IR or an ONNX file.
        labels: Names of the classes, in the order of the network; () for those that lie in the model or beside it.
        adapter: None chooses the one that fits.
        image_size: (width, height) of the input; needed only if the model accepts any size.
        first_class: Class number of the first label; None for the adapter's.
        threshold: Minimum score; None chooses it on annotated images, or else uses the adapter's.
        iou_threshold: Overlap above which the lower-scored of two boxes is dropped.
        licence: Free text.
        origin: Free text.
        accuracy: Free text: what its authors measured.
        choice: Which of the labels are answered, and under which names.
        whole_network: What a proof of the function with all labels compared (`WHOLE_NETWORK`); None if there was none.
            With it, an import is whole although none of the chosen labels is found on the images.
    """

    model: Path
    labels: tuple[str, ...]
    adapter: str | None = None
    image_size: tuple[int, int] | None = None
    preprocessing: PreprocessingOptions = field(default_factory=PreprocessingOptions)
    first_class: int | None = None
    threshold: float | None = None
    iou_threshold: float = DEFAULT_IOU_THRESHOLD
    licence: str = ""
    origin: str = ""
    accuracy: str = ""
    choice: LabelChoice = field(default_factory=LabelChoice)
    whole_network: Mapping[str, Any] | None = None

    @property
    def chosen(self) -> ChosenLabels:
        """What the function answers with; a BuildError if the choice does not fit the labels."""
        return self.choice.apply(self.labels)


@dataclass(frozen=True)
class ImportResult:
    """What was written.

    Attributes:
        directory: The run directory; `export/` is in it.
        manifest: Its `model.json`.
        network: What ran the reference, for people.
        detections: Number of reference detections with a score above `parity.MIN_COMPARED_SCORE`.
        images: Number of images they were found on.
        scores: Of the reference; None if no image is annotated.
        notes: Sentences about what looks wrong, though it may be right.
        mask_scores: Of the reference's masks; None if it gives none, or none are annotated.
    """

    directory: Path
    manifest: Manifest
    network: str
    detections: int
    images: int
    scores: Scores | None
    notes: tuple[str, ...] = ()
    mask_scores: Scores | None = None


def with_labels(request: ImportRequest) -> ImportRequest:
    """Return the request with the labels that lie in the model or beside it, if it has none of its own.

    Raises:
        BuildError: There are none, or the model cannot be read.
    """
    if request.labels:
        return request
    source = recognise(request.model)
    names = class_names.names_beside(source)
    if not names and source.kind != "saved_model":
        child.require_packages(_NEEDED[source.kind], f"importing {source.path}")
        with working_directory() as work:
            staged, result = Path(work) / "model", Path(work) / "metadata.json"
            staged.mkdir()
            arguments = [str(stage(source, staged)), str(result)]
            child.run_module("builder.imports.metadata", arguments, step=f"{request.model}: reading")
            names = class_names.names_inside(json.loads(result.read_text(encoding="utf-8")), request.model)
    if not names:
        raise BuildError(f"{request.model}: no names of classes in it; expected them. Give a file with --labels.")
    return replace(request, labels=names)


def import_model(
    request: ImportRequest,
    truth: GroundTruth,
    target: Path,
    *,
    for_calibration: bool,
    overwrite: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> ImportResult:
    """Write `target`/export.

    Args:
        request: The model and its options.
        truth: Images for the proof, annotated or not.
        target: The run directory.
        for_calibration: Whether the images are like those that the function will get, so that INT8 can be calibrated
            on them.
        overwrite: Replace an existing `target`/export.
        progress: Called with a description of each step.

    Raises:
        BuildError: The model cannot be imported.
    """
    source = recognise(request.model)
    child.require_packages(_NEEDED[source.kind], f"importing {source.path}")
    if request.adapter is not None and request.adapter not in adapters.names():
        near = difflib.get_close_matches(request.adapter, adapters.names(), cutoff=0) or adapters.names()[:3]
        raise BuildError(
            f"--adapter: unknown adapter {printable(request.adapter, 40)!r}; expected one such as {', '.join(near)}. "
            f"See {GUIDE}."
        )
    chosen = request.chosen
    with new_directory(target, (EXPORT_FOLDER,), overwrite=overwrite) as draft:
        export = draft / EXPORT_FOLDER
        export.mkdir()
        _write_validation(truth, export / "validation")
        progress(f"Reading {request.model} and running it on {len(truth.images)} images")
        network = _run_worker(request, chosen, source, export)
        detected = reference.read(export / "validation", chosen.names)
        found = sum(item.score > MIN_COMPARED_SCORE for items in detected.detections for item in items)
        if not found and request.whole_network is None:
            raise BuildError(
                f"{request.model}: found nothing on the {len(truth.images)} images; expected detections to compare. "
                f"Give photos of its classes with --proof-images, and check --channels, --mean and --scale."
            )
        (width, height), adapter = network["input_size"], network["adapter"]
        size = (width, height)
        if for_calibration:
            _write_calibration(truth, size, export / "calibration")
        head = adapters.mask_head(adapters.load(adapter))
        if head is None:  # then nobody asks for the masks that were annotated
            truth = replace(truth, images=tuple(replace(image, masks=()) for image in truth.images))
            _write_annotations(truth, export / "validation")
        measured = scores.score(chosen.names, truth.images, detected.detections) if is_annotated(truth) else None
        if measured and measured.map50 < BLIND_MAP50:
            raise BuildError(_why_blind(request, truth, detected.detections, measured))
        threshold, per_class = _thresholds(request, adapter, truth, detected.detections)
        cut = Postprocess(threshold, per_class, request.iou_threshold)
        of_masks = scores.score_masks(chosen.names, truth.images, detected.detections) if head and measured else None
        provenance = _provenance(request, source, network, detected.network, measured)
        if of_masks is not None:
            provenance["mask_metrics"] = of_masks.to_json()
        manifest = Manifest(adapter, chosen.names, size, cut, provenance, mask_head=head)
        manifest.write(export / FILE_NAME)
        _try_conversion(request, export, size, progress)
    notes = _notes(truth, detected.detections, measured) if measured else ()
    return ImportResult(target, manifest, detected.network, found, len(truth.images), measured, notes, of_masks)


def _notes(truth: GroundTruth, detections: Sequence[Sequence[Detection]], measured: Scores) -> tuple[str, ...]:
    regardless = map50_regardless_of_class(truth, detections)
    if regardless >= ACCURATE_MAP50 and measured.map50 < regardless * _PART_WITH_LABELS:
        return (
            f"Without labels mAP50 would be {regardless:.3f}: are the labels in the order of the network's training?",
        )
    if measured.map50 < _LOW_MAP50:
        return (f"mAP50 is low: check --channels, --mean, --scale and the labels ({GUIDE}).",)
    return ()


def _why_blind(
    request: ImportRequest, truth: GroundTruth, detections: Sequence[Sequence[Detection]], measured: Scores
) -> str:
    found = (
        f"{request.model}: mAP50 {measured.map50:.3f} on {len(truth.images)} annotated images with {measured.boxes} "
        f"boxes; expected it to find what is drawn there."
    )
    regardless = map50_regardless_of_class(truth, detections)
    if regardless >= ACCURATE_MAP50:
        return f"{found} The boxes are right (mAP50 {regardless:.3f}) and their labels wrong: correct their order."
    return f"{found} Check --channels, --mean, --scale and --adapter: {GUIDE}."


def _run_worker(request: ImportRequest, chosen: ChosenLabels, source: Source, export: Path) -> ImportedNetwork:
    with working_directory() as work:
        staged, output = Path(work) / "model", Path(work) / "output"
        staged.mkdir()
        output.mkdir()
        job = ImportJob(
            kind=source.kind,
            file=str(stage(source, staged).resolve()),
            where=str(request.model),
            adapter=request.adapter,
            image_size=list(request.image_size) if request.image_size else None,
            labels=list(request.labels),
            kept=list(chosen.kept) if chosen.narrowed else [],
            answered=list(chosen.names),
            preprocessing=asdict(request.preprocessing),
            first_class=request.first_class,
            iou_threshold=request.iou_threshold,
            validation=str(export / "validation"),
            output=str(output),
        )
        job_file = Path(work) / "job.json"
        job_file.write_text(json.dumps(asdict(job)), encoding="utf-8")
        child.run_module("builder.imports.worker", [str(job_file)], step=f"{request.model}: importing")
        network: ImportedNetwork = json.loads((output / RESULT_FILE).read_text(encoding="utf-8"))
        (output / RESULT_FILE).unlink()
        for graph in output.iterdir():
            shutil.copytree(graph, export / graph.name, copy_function=shutil.copyfile)
        return network


def _thresholds(
    request: ImportRequest,
    adapter: str,
    truth: GroundTruth,
    detections: Sequence[Sequence[Detection]],
) -> tuple[float, tuple[float, ...]]:
    names = request.chosen.names
    if request.threshold is None and is_annotated(truth):
        return thresholds.choose_thresholds(names, truth.images, detections, CorrectionCosts())
    threshold = adapters.load(adapter).THRESHOLD if request.threshold is None else request.threshold
    return threshold, (threshold,) * len(names)


def _provenance(
    request: ImportRequest, source: Source, network: ImportedNetwork, reference_network: str, measured: Scores | None
) -> dict[str, Any]:
    about = {
        "file": source.files[0].name,
        "kind": source.kind,
        "sha256": content_hash(source),
        **{key: value for key, value in network.items() if key != "input_size"},
        "reference": reference_network,
        **{key: value for key in ("licence", "origin", "accuracy") if (value := getattr(request, key))},
        **_choice(request),
    }
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        IMPORTED: about,
        **({"metrics": measured.to_json()} if measured else {}),
        "versions": {"preannotate": importlib.metadata.version("preannotate")},
    }


def _choice(request: ImportRequest) -> dict[str, Any]:
    """What was left out and renamed, for `model.json`; nothing if all labels are answered under their own names."""
    chosen = request.chosen
    return {
        **({"labels_of_network": len(request.labels)} if chosen.narrowed else {}),
        **({"renamed": dict(request.choice.renamed)} if request.choice.renamed else {}),
        **({WHOLE_NETWORK: dict(request.whole_network)} if request.whole_network is not None else {}),
    }


def _try_conversion(
    request: ImportRequest, export: Path, size: tuple[int, int], progress: Callable[[str], None]
) -> None:
    """Find out now, and not in the next build, whether OpenVINO can run the network."""
    progress("Checking that OpenVINO can convert the network")
    with working_directory() as work:
        try:
            openvino_ir.convert(export, Path(work), size)
        except BuildError as error:
            cause = str(error).partition("conversion to OpenVINO's IR: ")[2].removesuffix("; expected it to succeed.")
            raise BuildError(
                f"{request.model}: OpenVINO cannot convert it: {cause}; expected operations that it knows, for every "
                f"function has a CPU variant. Export the model to ONNX, or without its own suppression."
            ) from error


def _write_validation(truth: GroundTruth, folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    for number, image in enumerate(truth.images):
        shutil.copyfile(truth.folder / image.file, folder / _copy_name(number, image))
    _write_annotations(truth, folder)


def _write_annotations(truth: GroundTruth, folder: Path) -> None:
    images = [replace(image, file=_copy_name(number, image)) for number, image in enumerate(truth.images)]
    ground_truth.write(folder, truth.labels, images)


def _copy_name(number: int, image: AnnotatedImage) -> str:
    return f"images/{number:04d}{Path(image.file).suffix.lower()}"


def _write_calibration(truth: GroundTruth, input_size: tuple[int, int], folder: Path) -> None:
    folder.mkdir()
    step = max(len(truth.images) // CALIBRATION_IMAGES, 1)
    for number, image in enumerate(truth.images[::step][:CALIBRATION_IMAGES]):
        decoded = decode(truth.data(image), input_size)
        pixels = Letterbox.fit(decoded.size, input_size).pixels(decoded.pixels)
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
