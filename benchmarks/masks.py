"""Mask mAP of both mask heads of YOLOX, prototypes and kernels, on held-out images after training for some minutes.

    python benchmarks/masks.py --corpus FOLDER --set nuclei --minutes 20          # three seeds of what is in use
    python benchmarks/masks.py --corpus FOLDER --set nuclei --minutes 10 --heads prototypes kernels
    python benchmarks/masks.py --minutes 5                                        # the drawn scenes: needs no images
    python benchmarks/masks.py --markdown                                         # the table of what was measured

Prototypes are those of YOLACT, kernels the dynamic convolutions of CondInst (`trainer.models.yolox.mask_head`). Each
run is `preannotate train` with `--model yolox-nano-seg` and `preannotate evaluate` on the run's own SavedModel. A seed
that was measured with the same arguments is not measured again. Results: benchmarks/results/masks.json.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from corpus import SCENES, ImageSet, find_sets
from results import describe_machine
from trainings import Training, train_and_evaluate

from preannotate.core.files import replace_text
from runtime.manifest import MaskKind

RESULTS = Path(__file__).parent / "results" / "masks.json"
MODEL = "yolox-nano-seg"
_IN_USE = MaskKind.PROTOTYPES
# Runs the command line with kernels in place of prototypes.
_WITH_KERNELS = """
import sys
from preannotate.cli.main import main
from runtime.manifest import MaskKind
from trainer.models import MODELS
from trainer.models.yolox.families import make_family
model = MODELS["yolox-nano-seg"]
MODELS[model.name] = make_family("nano", model.when_to_choose, MaskKind.KERNELS)
sys.exit(main())
"""
_PROGRAMS = {MaskKind.PROTOTYPES: ("-m", "preannotate"), MaskKind.KERNELS: ("-c", _WITH_KERNELS)}
_KEY = ("set", "training_images", "head", "minutes", "arguments", "base_model", "seed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="see corpus.py")
    parser.add_argument("--set", default=SCENES, metavar="NAME", help="of the corpus (default: %(default)s)")
    parser.add_argument("--heads", nargs="+", type=MaskKind, choices=list(_PROGRAMS), default=[_IN_USE])
    parser.add_argument("--base-model", help="default: that of `preannotate train`")
    parser.add_argument("--minutes", type=float, default=20, help="of training (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arguments", default="", help="further arguments of the trainer")
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="keep runs here, and continue those that are there")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--markdown", action="store_true", help="print the table of what was measured, and end")
    options = parser.parse_args()
    if not options.markdown:
        with tempfile.TemporaryDirectory() as folder:
            work = options.runs or Path(folder)
            work.mkdir(parents=True, exist_ok=True)
            (image_set,) = find_sets(options.corpus, work, [options.set], masks=True)
            for seed in options.seeds:
                for head in options.heads:
                    _measure(image_set, head, seed, options, work)
    print(markdown(_read(options.results)))


def _measure(image_set: ImageSet, head: MaskKind, seed: int, options: argparse.Namespace, work: Path) -> None:
    key = {
        "set": image_set.name,
        "training_images": len(image_set.train_names),
        "head": head.value,
        "minutes": options.minutes,
        "arguments": options.arguments,
        "base_model": None if options.base_model is None else Path(options.base_model).name,
        "seed": seed,
    }
    if any(all(line[name] == key[name] for name in _KEY) for line in _read(options.results)):
        return
    print(f"{image_set.name}, {head.value}, seed {seed} …", file=sys.stderr, flush=True)
    arguments = ",".join(filter(None, (f"max_minutes={options.minutes:g}", options.arguments)))
    training = Training(
        *(image_set.train, image_set.train_names, image_set.test, image_set.test_names),
        *(MODEL, options.base_model, arguments),
        program=_PROGRAMS[head],
    )
    run = work / f"{image_set.name}-{head.value}-{options.minutes:g}-{seed}"
    measured = train_and_evaluate(training, seed, run)
    line = {**measured, **key, "machine": describe_machine()}
    replace_text(options.results, json.dumps([*_read(options.results), line], indent=1) + "\n")
    print(json.dumps(line), file=sys.stderr, flush=True)


def _read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def markdown(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of what was measured, a line for each seed."""
    header = ("data", "mask head", "seed", "masks: mAP50", "mAP", "boxes: mAP50", "mAP", "input", "images shown")
    header += ("minutes", "peak memory")
    rows = [header, ("---",) * len(header)]
    for line in sorted(lines, key=lambda line: [str(line[name]) for name in ("set", "minutes", "head", "seed")]):
        width, height = line["input_size"]
        rows.append(
            (
                f"{line['set']}, {line['training_images']} images",
                line["head"],
                str(line["seed"]),
                *(f"**{line[name]:.3f}**" for name in ("mask_map50", "mask_mean_ap")),
                *(f"{line[name]:.3f}" for name in ("map50", "mean_ap")),
                f"{width} x {height}",
                f"{line['images_shown']:,}",
                f"{line['seconds'] / 60:.1f}",
                f"{line['peak_memory_gb']:.1f} GB",
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
