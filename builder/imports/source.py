"""The user's model files.

An ONNX file may name other files for its weights. It is read as a copy in a folder of its own, so that it finds only
those that lay beside it and no other file of this machine.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BuildError
from builder.function_directory import file_digest
from preannotate.core.text import first_of, printable

_MAX_BYTES = 4 * 1024**3
_EXPECTED = "a SavedModel folder, an OpenVINO IR (.xml with .bin) or an .onnx file"
_GUIDE = "docs/importing.md"
_PYTORCH = "a PyTorch file, which can contain any program; expected an export of it. Run: yolo export format=onnx"
_KERAS = "a Keras file, which can contain any program; expected an export of it. Save it with model.export as ONNX"
_ARCHIVE = "an archive; expected what is in it. Unpack it, and give the model file or its folder"
# What people have beside an export, by the extension: what it is, and what to do. None of these is opened.
_OTHERS = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".torchscript", ".safetensors"), _PYTORCH),
    **dict.fromkeys((".h5", ".hdf5", ".keras"), _KERAS),
    **dict.fromkeys(
        (".pkl", ".pickle", ".joblib"),
        "a pickle, which can contain any program; expected an ONNX file. "
        "Export the network with the framework that it was trained with",
    ),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"), _ARCHIVE),
    ".pb": "a frozen graph; expected a SavedModel or an ONNX file. Run: python -m tf2onnx.convert --graphdef",
    ".tflite": "a TFLite file; expected an ONNX file. Export the network that it was made of",
    **dict.fromkeys(
        (".engine", ".plan", ".trt"), "a TensorRT engine; expected the ONNX file that it was made of. Give that file"
    ),
    **dict.fromkeys((".mlmodel", ".mlpackage"), "a Core ML model; expected an ONNX file. Export the network to ONNX"),
    **dict.fromkeys((".pdmodel", ".pdiparams"), "a Paddle model; expected an ONNX file. Run: paddle2onnx"),
    **dict.fromkeys((".weights", ".cfg"), "a Darknet file; expected an ONNX file. Convert it to ONNX"),
    **dict.fromkeys((".caffemodel", ".prototxt"), "a Caffe model; expected an ONNX file. Convert it to ONNX"),
    **dict.fromkeys(
        (".param", ".rknn", ".hef", ".blob"),
        "a file for a device; expected the ONNX file that it was made of. Give that file",
    ),
}
# How exporters call the file with the weights of model.onnx.
_ONNX_WEIGHTS = ("{name}.data", "{name}_data", "{stem}.data", "{stem}.onnx_data")


@dataclass(frozen=True)
class Source:
    """A model file or folder.

    Attributes:
        path: As the user named it, for messages.
        kind: "saved_model", "ir" or "onnx".
        files: The model file and its weights; for a SavedModel its folder.
    """

    path: Path
    kind: str
    files: tuple[Path, ...]


def recognise(path: Path) -> Source:
    """Find out which kind of model a path is.

    Raises:
        BuildError: It is no model that can be imported.
    """
    if not path.exists():
        raise BuildError(f"{path}: no such file or folder; expected {_EXPECTED}.")
    if path.is_dir():
        return _in_folder(path)
    suffix = path.suffix.lower()
    if suffix in (".xml", ".bin"):
        return _ir(path, path.with_suffix(".xml"))
    if suffix == ".onnx":
        names = (pattern.format(name=path.name, stem=path.stem) for pattern in _ONNX_WEIGHTS)
        return Source(path, "onnx", (path, *(found for name in names if (found := path.with_name(name)).is_file())))
    if suffix == ".pb" and path.with_name("saved_model.pb").is_file():  # fingerprint.pb lies beside it
        return Source(path, "saved_model", (path.parent,))
    if suffix in _OTHERS:
        raise BuildError(f"{path}: {_OTHERS[suffix]} ({_GUIDE}).")
    raise BuildError(f"{path}: no model that can be imported; expected {_EXPECTED}. Export the model again.")


def stage(source: Source, folder: Path) -> Path:
    """Copy an ONNX file or an IR into `folder`, and return the path to read. A SavedModel is not copied."""
    if source.kind == "saved_model":
        return source.files[0]
    for file in source.files:
        if not file.is_file():  # a pipe or a device would never end
            raise BuildError(f"{file}: not a file; expected a model. Give the file itself.")
        if file.stat().st_size > _MAX_BYTES:
            raise BuildError(
                f"{file}: more than {_MAX_BYTES // 1024**3} GiB; expected a detector. Export a smaller one."
            )
        shutil.copyfile(file, folder / file.name)
    return folder / source.files[0].name


def content_hash(source: Source) -> str:
    """SHA-256 of the model file without its weights; of `saved_model.pb` for a SavedModel."""
    main = source.files[0] / "saved_model.pb" if source.kind == "saved_model" else source.files[0]
    return file_digest(main)


def _in_folder(path: Path) -> Source:
    for folder in (path, path / "saved_model"):  # as the Object Detection API exports it
        if (folder / "saved_model.pb").is_file():
            return Source(path, "saved_model", (folder,))
    files = sorted(file for file in path.iterdir() if file.is_file())
    models = [file for file in files if file.suffix.lower() in (".xml", ".onnx")]
    others = [file for file in files if file.suffix.lower() in _OTHERS]
    if len(models) == 1 or (not models and len(others) == 1):
        return recognise((models or others)[0])
    found = first_of([printable(file.name, 40) for file in models])
    raise BuildError(
        f"{path}: a folder with {f'several models: {found}' if found else 'no model'}; expected {_EXPECTED}. "
        f"Name one file."
    )


def _ir(path: Path, xml: Path) -> Source:
    weights = xml.with_suffix(".bin")
    for file in (xml, weights):
        if not file.is_file():
            raise BuildError(f"{path}: no {file.name} beside it; expected both files of an OpenVINO IR.")
    return Source(path, "ir", (xml, weights))
