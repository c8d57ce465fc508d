"""The IR with 8-bit weights and activations, by nncf's post-training quantisation.

Operations between the input and the last layer with weights are quantised. The decoding of boxes after it is not: a
step of 8 bits would be several pixels there. The structure of the graph tells them apart, not the names of a family.

`plain` quantises all operations that may be quantised; `control` finds the layers that cost the most accuracy and
leaves them in floating point. Runs in a subprocess, as every conversion.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from builder import child
from builder.variants import open_graph

ATTEMPTS = ("plain", "control")
_WITH_WEIGHTS = {"Convolution", "ConvolutionBackpropData", "GroupConvolution", "MatMul"}
# What activations pass through on their way from one layer with weights to the next.
_BETWEEN = {
    *("Add", "AvgPool", "Clamp", "Concat", "Convert", "Divide", "HSwish", "Interpolate", "MaxPool", "Multiply"),
    *("PRelu", "Pad", "ReduceMean", "Relu", "Reshape", "Sigmoid", "Split", "Subtract", "Swish", "Tile", "Transpose"),
}


def convert(
    export: Path, directory: Path, input_size: tuple[int, int], *, validation: Path, attempt: str, max_drop: float
) -> None:
    """Write `directory`/model.xml and model.bin.

    Args:
        export: Has `saved_model/` or `ir/`, and `calibration/`.
        directory: Of the function; its `model.json` is read by "control".
        input_size: (width, height) of the network's input; the batch size is fixed to 1.
        validation: Frozen validation images; only "control" uses them.
        attempt: One of `ATTEMPTS`.
        max_drop: mAP that "control" may lose, in [0, 1].

    Raises:
        BuildError: nncf failed or crashed.
    """
    width, height = input_size
    source = export / open_graph(export).for_openvino
    arguments = [
        *(str(source), str(directory / "model.xml"), str(width), str(height)),
        *(str(export / "calibration"), str(validation), attempt, str(max_drop)),
    ]
    child.run_module(__name__, arguments, step=f"{source}: quantisation to INT8")


def main(
    source: str,
    model_xml: str,
    width: str,
    height: str,
    calibration: str,
    validation: str,
    attempt: str,
    max_drop: str,
) -> None:
    """Quantise in this process."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # nncf would report its use to its makers
    import nncf
    import numpy as np
    import openvino as ov
    from openvino._offline_transformations import apply_moc_transformations
    from PIL import Image

    model = ov.Core().read_model(source)
    model.reshape({"pixels": [1, int(height), int(width), 3]})
    # Fuses batch normalisation and SiLU, as compiling does: nncf would quantise between their parts, which cost a
    # yolox-nano much of its accuracy. `convert_model` does it too, but writes the path of the SavedModel into the IR.
    apply_moc_transformations(model, cf=False)
    files = sorted(Path(calibration).glob("*.png"))
    images = nncf.Dataset(files, lambda file: np.asarray(Image.open(file))[None])
    options = {
        "preset": nncf.QuantizationPreset.MIXED,
        "subset_size": len(files),
        "ignored_scope": nncf.IgnoredScope(names=outside_the_network(model)),
    }
    if attempt == "plain":
        quantised = nncf.quantize(model, images, **options)
    else:
        judge, truth = _judge(Path(model_xml).parent, Path(validation))
        quantised = nncf.quantize_with_accuracy_control(
            model, images, nncf.Dataset(truth), judge, max_drop=float(max_drop), **options
        )
    ov.save_model(quantised, model_xml)


def outside_the_network(model: Any) -> list[str]:
    """List operations of an `openvino.Model`, by name, that are not between its input and its last weights."""
    operations = [operation for operation in model.get_ordered_ops() if operation.get_type_name() != "Constant"]
    kinds = {operation.get_friendly_name(): operation.get_type_name() for operation in operations}
    reached: set[str] = set()
    for operation in operations:
        name = operation.get_friendly_name()
        sources = (value.get_source_output().get_node().get_friendly_name() for value in operation.inputs())
        if kinds[name] in {*_WITH_WEIGHTS, "Parameter"} or (
            kinds[name] in _BETWEEN and not reached.isdisjoint(sources)
        ):
            reached.add(name)
    leading: set[str] = set()
    for operation in reversed(operations):
        name = operation.get_friendly_name()
        targets = (
            target.get_node().get_friendly_name() for out in operation.outputs() for target in out.get_target_inputs()
        )
        if kinds[name] in _WITH_WEIGHTS or (kinds[name] in _BETWEEN and not leading.isdisjoint(targets)):
            leading.add(name)
    return [
        name for name, kind in kinds.items() if kind not in ("Parameter", "Result") and name not in reached & leading
    ]


def _judge(directory: Path, validation: Path) -> tuple[Any, list[Any]]:
    """Return a function that measures mAP of a compiled network for nncf, and the images to measure it on."""
    from evaluation import ground_truth, scores
    from runtime.detector import Detector
    from runtime.engines.openvino import OpenVinoEngine
    from runtime.manifest import Manifest

    manifest, truth = Manifest.read(directory), ground_truth.read(validation)
    annotated = ground_truth.with_answered_masks(truth.images, manifest.label_type)
    first: list[tuple[float, ...]] = []

    def judge(compiled: Any, images: Iterable[Any]) -> tuple[float, None]:
        detector = Detector(OpenVinoEngine(compiled), manifest)
        found = scores.detect_all(detector, truth)
        of_masks = scores.score_masks(manifest.labels, annotated, found) if manifest.mask_head else None
        of_boxes = scores.score(manifest.labels, truth.images, found)
        measured = tuple(one.mean_ap for one in (of_boxes, of_masks) if one is not None)
        if not first:  # the network before quantisation
            first.append(measured)
        return lowest_change(first[0], measured), None

    return judge, list(truth.images)


def lowest_change(before: Sequence[float], after: Sequence[float]) -> float:
    """Return mAP of boxes and of masks as one number, which falls as far as the one that falls further."""
    return before[0] + min(new - old for old, new in zip(before, after, strict=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
