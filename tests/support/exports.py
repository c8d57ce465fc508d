"""Export and function directories without a network, for tests that never run one."""

from pathlib import Path

from builder.build import assemble
from runtime.manifest import Manifest, Postprocess


def make_export(folder: Path) -> Path:
    """Write an export directory, and return it."""
    (folder / "saved_model").mkdir(parents=True)
    (folder / "saved_model" / "saved_model.pb").write_bytes(b"a network")
    (folder / "validation").mkdir()
    manifest = Manifest(
        family="ssd-mobilenet-v2",
        labels=("cat", 'Größe "XL"'),
        input_size=(320, 320),
        postprocess=Postprocess(threshold=0.5, thresholds=(0.4, 0.6)),
        provenance={"dataset_fingerprint": "0123456789abcdef", "seed": 1},
    )
    manifest.write(folder / "model.json")
    return folder


def make_function(export: Path, directory: Path) -> None:
    """Write functions/cats/nuclio as `build` makes it of an export."""
    directory.parent.mkdir(parents=True)
    assemble(export, directory, "cats", Manifest.read(export))
    for name in ("model.xml", "model.bin"):
        (directory / name).write_bytes(b"weights")
    (directory / "saved_model").mkdir()
    (directory / "saved_model" / "saved_model.pb").write_bytes(b"a network")
