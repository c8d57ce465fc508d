"""The IR (`model.xml`, `model.bin`) from the export's graph, with FP16 weights.

The conversion runs in a subprocess: some graphs crash OpenVINO, and a crash is then an error like any other.
`Core.read_model` is used rather than `convert_model`, which writes the path of the SavedModel into the IR.
"""

import sys
from pathlib import Path

from builder import child
from builder.confinement import confine
from builder.variants import open_graph
from runtime.engines import MASK_OUTPUTS, OUTPUTS


def convert(export: Path, directory: Path, input_size: tuple[int, int], *, weights: str = "f16") -> None:
    """Write `directory`/model.xml and model.bin.

    Args:
        export: Has `saved_model/` or `ir/`.
        directory: Of the function.
        input_size: (width, height) of the network's input; the batch size is fixed to 1.
        weights: "f16", half the size and as accurate; or "f32", to verify the conversion itself.

    Raises:
        BuildError: OpenVINO failed or crashed, or the graph does not have the engine contract.
    """
    width, height = input_size
    source = export / open_graph(export).for_openvino
    arguments = [str(source), str(directory / "model.xml"), str(width), str(height), weights]
    child.run_module(__name__, arguments, step=f"{source}: conversion to OpenVINO's IR")


def main(source: str, model_xml: str, width: str, height: str, weights: str) -> None:
    """Convert in this process."""
    import openvino as ov

    model = ov.Core().read_model(source)
    found = {"inputs": _names(model.inputs), "outputs": _names(model.outputs)}
    outputs = [sorted([name] for name in (*OUTPUTS, *of_masks)) for of_masks in ((), *MASK_OUTPUTS.values())]
    if found["inputs"] != [["pixels"]] or found["outputs"] not in outputs:
        sys.exit(
            f"the graph has {found}, expected the input pixels, the outputs {' and '.join(OUTPUTS)}, and for masks one "
            f"of {'; '.join(' and '.join(names) for names in MASK_OUTPUTS.values())}"
        )
    model.reshape({"pixels": [1, int(height), int(width), 3]})
    if model.input("pixels").element_type != ov.Type.u8:
        sys.exit(f"input pixels is {model.input('pixels').element_type}, expected uint8")
    ov.save_model(model, model_xml, compress_to_fp16=weights == "f16")


def _names(ports: list) -> list[list[str]]:
    return sorted(sorted(port.get_names()) for port in ports)


if __name__ == "__main__":
    confine([Path(sys.argv[2]).parent])
    main(*sys.argv[1:])
