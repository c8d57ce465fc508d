"""Facts about the trainer's model families without importing TensorFlow: `families.json`, and their measurements.

`python -m preannotate.studio.families` writes the file from the modules of the models; a test holds it against them.
"""

import functools
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trainer
from trainer.arguments.defaults import Defaults

FILE = Path(__file__).with_name("families.json")
# Of a checkout: the figures of the README.
ACCURACY = Path(trainer.__file__).parents[1] / "benchmarks" / "results" / "accuracy.json"
MEASURED = Path(trainer.__file__).parent / "models" / "measured.json"


@dataclass(frozen=True)
class Family:
    """A model.

    Attributes:
        name: For `--model`.
        line: When to choose it.
        defaults: See there.
        alpha: Width of the backbone with pretrained weights; relative.
        alpha_from_scratch: Without.
        pretrained: Names for `--base-model` beside "none".
        file: What a download of its weights fetches; "" if nothing is downloaded.
        package: That brings its weights; "" if none does.
        gpu_memory: GB that a single GPU must have; 0 if any will do.
        scores: Of benchmarks/accuracy.py: data, photos for training, mAP50 on held-out photos.
    """

    name: str
    line: str
    defaults: Defaults
    alpha: float
    alpha_from_scratch: float
    pretrained: tuple[str, ...]
    file: str
    package: str
    gpu_memory: float
    scores: tuple[tuple[str, int, float], ...]

    def at_hand(self, cache: Path) -> bool:
        """Whether its pretrained weights are on this machine: `cache` is Keras's."""
        if self.package:
            return importlib.util.find_spec(self.package) is not None
        return bool(self.file) and (cache / self.file).is_file()


@functools.cache
def families() -> Mapping[str, Family]:
    """Return the families by name, in the trainer's order."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: _family(name, one) for name, one in content.items()}


@functools.cache
def measured() -> Mapping[str, Any]:
    """What `preannotate models` shows: times relative to those of one model, and where they were measured."""
    return json.loads(MEASURED.read_text(encoding="utf-8"))


def described() -> dict[str, Any]:
    """The content of the file, from the models themselves; imports TensorFlow."""
    from trainer.models import MODELS

    accuracy = json.loads(ACCURACY.read_text(encoding="utf-8"))
    return {
        name: {
            "line": family.when_to_choose,
            "defaults": asdict(family.defaults),
            "alpha": family.backbone.alpha,
            "alpha_from_scratch": family.backbone.alpha_from_scratch,
            "pretrained": list(family.backbone.pretrained),
            "file": (family.backbone.file or "").format(alpha=family.backbone.alpha),
            "package": family.backbone.package or "",
            "gpu_memory": family.backbone.gpu_memory or 0.0,
            "scores": [
                [one["name"], one["training_images"], one["map50_mean"]] for one in accuracy if one["model"] == name
            ],
        }
        for name, family in MODELS.items()
    }


def _family(name: str, content: Mapping[str, Any]) -> Family:
    said = {**content, "defaults": Defaults(**content["defaults"]), "pretrained": tuple(content["pretrained"])}
    said["scores"] = tuple((data, photos, map50) for data, photos, map50 in content["scores"])
    return Family(name, **said)


if __name__ == "__main__":
    FILE.write_text(json.dumps(described(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
