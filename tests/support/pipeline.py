"""In place of trainings: what `train` and `build` leave behind, made in milliseconds, with an engine that sees red.

The function directory is a real one, with the project's own `runtime` and templates: `serve`, `annotate` and the
proof's probe run it. `shift` moves its boxes, so that two versions answer differently.
"""

import hashlib
import io
import json
import shutil
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from builder.function_yaml import FINGERPRINT, function_yaml
from builder.variants import VARIANTS
from evaluation import ground_truth
from evaluation.ground_truth import AnnotatedImage
from preannotate.core.progress import ProgressWriter, State
from runtime.manifest import Manifest, MaskHead, MaskKind, Postprocess
from support.functions import prove

ROOT = Path(__file__).parents[2]
LABELS = ("cat", "dog")
ENGINE = """
import numpy as np

SHIFT = {shift}

class Fake:
    name, device, warning = "fake", "none", ""

    def run(self, pixels):
        rows, columns = np.nonzero((pixels[0, :, :, 0] > 200) & (pixels[0, :, :, 1] < 100))
        if not len(rows):
            shapes = {{"boxes": (1, 0, 4), "scores": (1, 0, 2), "masks": (1, 0, 2, 2)}}
            return {{name: np.zeros(shape, np.float32) for name, shape in shapes.items()}}
        box = [columns.min() + SHIFT, rows.min(), columns.max() + 1 + SHIFT, rows.max() + 1]
        found = {{"boxes": [[box]], "scores": [[[0.9, 0.4]]], "masks": [[[[1, 1], [1, 0]]]]}}
        return {{name: np.array(values, np.float32) for name, values in found.items()}}

def load(directory):
    return Fake()
"""


def red(box: tuple[int, int, int, int] | None, size: tuple[int, int] = (64, 64), grey: int = 0) -> bytes:
    """A picture with one red box, which the fake engine finds."""
    image = Image.new("RGB", size, (grey, grey, grey))
    if box is not None:
        image.paste((255, 0, 0), box)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def write_function(
    folder: Path,
    name: str,
    *,
    shift: int = 0,
    labels: tuple[str, ...] = LABELS,
    threshold: float = 0.5,
    label_types: tuple[str, ...] = (),
) -> Path:
    """FOLDER/NAME/nuclio; returns FOLDER/NAME. With `label_types` it gives masks: all but the lower right quarter."""
    directory = folder / name / "nuclio"
    ignore = shutil.ignore_patterns("__pycache__", "openvino.py", "tensorflow.py")
    shutil.copytree(ROOT / "functions" / "runtime", directory / "runtime", ignore=ignore)
    for source in (ROOT / "builder" / "templates" / "detector").glob("*.py"):
        shutil.copy(source, directory)
    (directory / "runtime" / "engines" / "openvino.py").write_text(ENGINE.format(shift=shift))
    provenance = {"model_fingerprint": f"{shift:064x}", "images": {"train": 3, "validation": 1}}
    head = MaskHead(MaskKind.BOX_MASKS) if label_types else None
    postprocess = Postprocess(0.5, (threshold,) * len(labels))
    manifest = Manifest("ssd-mobilenet-v2", labels, (64, 64), postprocess, provenance, head, label_types)
    manifest.write(directory / "model.json")
    text = function_yaml(name, VARIANTS["cpu"], manifest, {FINGERPRINT: f"{shift:064x}"})
    (directory / "function.yaml").write_text(text)
    scores = {"map50": 0.9 - shift / 100, "mean_ap": 0.5}
    prove(directory, scores={"served": scores})
    return directory.parent


@dataclass
class Commands:
    """Stands in for `child_process.run_module`.

    Attributes:
        shift: Of the function that the next build makes.
        asked: The commands so far.
        fails: Command to the exception that it raises once.
    """

    shift: int = 0
    asked: list[list[str]] = field(default_factory=list)
    fails: dict[str, BaseException] = field(default_factory=dict)

    def run_module(
        self, module: str, arguments: list[str], *, lock: Any = None, poll: Any = lambda: None, remedy: str = ""
    ) -> str:
        assert module == "preannotate"
        self.asked.append(list(arguments))
        if arguments[0] in self.fails:
            raise self.fails.pop(arguments[0])
        assert lock is not None
        if arguments[0] == "train":
            self._train(Path(arguments[1]), Path(arguments[arguments.index("--output") + 1]), poll)
        elif arguments[0] == "build":
            self._build(Path(arguments[1]), Path(arguments[arguments.index("--output") + 1]), arguments[3])
        return ""

    @property
    def names(self) -> list[str]:
        return [arguments[0] for arguments in self.asked]

    def _train(self, dataset: Path, run: Path, poll: Any) -> None:
        run.mkdir(parents=True, exist_ok=True)
        progress = ProgressWriter(run / "progress.json", ["train"])
        progress.update("train", state=State.RUNNING, done=1.5, total=3, unit="epoch", seconds_left=700.0)
        progress.write()
        poll()
        images = list(ET.parse(dataset / "annotations.xml").iter("image"))
        truth, contents = [], []
        (run / "export" / "validation").mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(images):
            path = dataset / "images" / image.get("name")
            if number % 2:
                contents.append({"content": hashlib.sha256(path.read_bytes()).hexdigest()})
                continue
            shutil.copy(path, run / "export" / "validation" / path.name)
            boxes = [[float(box.get(side)) for side in ("xtl", "ytl", "xbr", "ybr")] for box in image.iter("box")]
            ids = [LABELS.index(box.get("label")) for box in image.iter("box")]
            size = (int(image.get("width")), int(image.get("height")))
            truth.append(AnnotatedImage(path.name, path.name, size, np.array(boxes, np.float32), np.array(ids)))
        ground_truth.write(run / "export" / "validation", LABELS, truth)
        (run / "data").mkdir(exist_ok=True)
        (run / "data" / "train.json").write_text(json.dumps({"samples": contents}))
        summary = {"epochs": 3, "seconds": 200.0, "validation": {"map50": 0.9, "mean_ap": 0.6, "images": len(truth)}}
        (run / "summary.json").write_text(json.dumps(summary))

    def _build(self, run: Path, folder: Path, name: str) -> None:
        shutil.rmtree(folder / name, ignore_errors=True)
        function = write_function(folder, name, shift=self.shift)
        shutil.copytree(run / "export" / "validation", function / "validation")
