"""Facts about the trainer's model families without importing TensorFlow: `families.json`, and their measurements.

`python -m preannotate.studio.families` writes the file from the modules of the models; a test holds it against them.
"""

import functools
import importlib.util
import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trainer
from preannotate.core.errors import PreannotateError
from trainer import published_weights
from trainer.arguments.defaults import Defaults

COCO = "coco"
FILE = Path(__file__).with_name("families.json")
# Of a checkout: the figures of the README.
ACCURACY = Path(trainer.__file__).parents[1] / "benchmarks" / "results" / "accuracy.json"


@dataclass(frozen=True)
class Family:
    """A model.

    Attributes:
        name: As `--model` names it.
        line: When to choose it, for people.
        alpha: Relative width of the backbone with pretrained weights.
        alpha_from_scratch: Relative width without pretrained weights.
        pretrained: Names for `--base-model` beside "auto" and "none"; "coco" is a file of `published_weights`.
        learns_masks: Whether it learns masks beside boxes.
        file: Name of the downloaded weights in Keras's cache; None if nothing is downloaded.
        package: Python package that contains the weights; None if none does.
        scores: Of benchmarks/accuracy.py: data, images for training, mAP50 and mAP on held-out images.
    """

    name: str
    line: str
    defaults: Defaults
    alpha: float
    alpha_from_scratch: float
    pretrained: tuple[str, ...]
    learns_masks: bool
    file: str | None
    package: str | None
    scores: tuple[tuple[str, int, float, float], ...]

    def at_hand(self, cache: Path) -> bool:
        """Return whether its pretrained weights are on this machine; `cache` is that of Keras."""
        if COCO in self.pretrained:
            try:
                return published_weights.kept(self.name) is not None
            except PreannotateError:  # of a damaged record; a training says it
                return False
        if self.package:
            return package_is_installed(self.package)
        return self.file is not None and (cache / self.file).is_file()


def package_is_installed(name: str) -> bool:
    """Return whether a Python package can be imported."""
    return importlib.util.find_spec(name) is not None


@functools.cache
def families() -> Mapping[str, Family]:
    """Return the families by name, in the trainer's order."""
    return {
        name: Family(
            **content
            | {
                "name": name,
                "defaults": Defaults(**content["defaults"]),
                "pretrained": tuple(content["pretrained"]),
                "scores": tuple(map(tuple, content["scores"])),
            }
        )
        for name, content in json.loads(FILE.read_text(encoding="utf-8")).items()
    }


def describe_families() -> dict[str, Any]:
    """Return the content of the file, from the models themselves; imports TensorFlow."""
    from trainer.models import MODELS

    accuracy = json.loads(ACCURACY.read_text(encoding="utf-8"))
    return {
        name: {
            "line": family.when_to_choose,
            "defaults": asdict(family.defaults),
            "alpha": family.backbone.alpha,
            "alpha_from_scratch": family.backbone.alpha_from_scratch,
            "pretrained": list(family.pretrained),
            "learns_masks": family.learns_masks,
            "file": family.backbone.file and family.backbone.file.format(alpha=family.backbone.alpha),
            "package": family.backbone.package,
            "scores": _latest_scores(one for one in accuracy if one["model"] == name),
        }
        for name, family in MODELS.items()
    }


def _latest_scores(lines: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """Return `Family.scores` of the last measurement with each number of images of each set."""
    latest = {}
    for line in lines:
        data, images = line["name"].partition(",")[0], line["training_images"]
        latest[data, images] = [data, images, line["map50_mean"], round(statistics.mean(line["mean_ap"]), 4)]
    return list(latest.values())


if __name__ == "__main__":
    FILE.write_text(json.dumps(describe_families(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
