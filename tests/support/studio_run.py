"""The process of a run in tests of the studio: writes the files of a real run, in seconds, and learns nothing.

FAKE_RUN_SECONDS says how long a training takes, FAKE_RUN_REPORT names a page to leave as the report, FAKE_RUN_FAILS a
sentence to fail with.
"""

import csv
import io
import json
import math
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from builder.function_directory import FunctionDirectory, Proof
from preannotate.core.files import write_json
from preannotate.core.progress import ProgressWriter
from preannotate.registry import publication
from preannotate.registry.publication import Deploy
from preannotate.registry.workspace import ModelFolder, Workspace
from preannotate.synthetic.image import draw_image
from preannotate.synthetic.objects import LABELS
from runtime.manifest import Manifest, Postprocess

EPOCHS = 24
SECONDS = float(os.environ.get("FAKE_RUN_SECONDS", "3"))
COLOURS = ("#33ddff", "#ff8a3d", "#7ee787", "#d2a8ff")
REPORT = "<!doctype html><html lang=en><title>Report</title><h1>0.15 of the time</h1>"
STAGES = ("pull", "train", "build", "check", "publish", "verify")


def main() -> int:
    words = sys.argv[1:]
    if sentence := os.environ.get("FAKE_RUN_FAILS"):
        print(f"error: {sentence}", file=sys.stderr)
        return 2
    if words[0] == "run":
        workspace = Workspace(Path(_after(words, "--workspace")))
        model = workspace.model(_after(words, "--name"))
        with model.locked():
            return train(workspace, model, publish="--deploy=none" not in words)
    for part in range(0, 101, 10):
        print(f"{part}%|{'#' * (part // 10)}", flush=True)
        time.sleep(SECONDS / 40)
    if words[0] in ("rank", "review"):
        rows = [
            (n, 7 * n, f"https://cvat.example.org/tasks/12/jobs/40?frame={7 * n}", "near the threshold")
            for n in (1, 2, 3)
        ]
        with Path("ranking.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("rank", "frame", "link", "reasons"), *rows])
    return 0


def train(workspace, model, *, publish) -> int:
    number = max((one.number for one in model.versions() if one.complete), default=0) + 1
    version = model.version(number)
    progress = ProgressWriter(Path("progress.json"), STAGES)
    progress.set_version(number)
    try:
        with progress.running("pull"):
            print("task 12: 24 frames", flush=True)
            time.sleep(SECONDS / 20)
            progress.update("pull", detail="24 frames, 96 boxes")
        with progress.running("train"):
            _train_slowly(version.run, number, progress)
    except KeyboardInterrupt:
        print("stopped")
        return 130
    for name in ("build", "check"):
        with progress.running(name):
            time.sleep(SECONDS / 20)
    drawn = [io.BytesIO() for _ in range(4)]
    for seed, stream in enumerate(drawn):
        picture(seed).save(stream, "JPEG", quality=85)
    write_version(model, number, labels=LABELS, pictures=[stream.getvalue() for stream in drawn])
    if publish:
        with progress.running("publish"):
            publication.install(workspace, model.name, number, deploy=Deploy.SERVE)
            progress.update("publish", detail=f"version {number}")
        with progress.running("verify"):
            progress.update("verify", detail="CVAT lists it; it returned boxes on frame 0")
    else:
        progress.skip("publish", "was not asked for")
        progress.skip("verify", "is not published")
    return 0


def _train_slowly(run: Path, number: int, progress: ProgressWriter) -> None:
    metrics = run / "metrics.csv"
    done = len(metrics.read_text().splitlines()) - 1 if metrics.is_file() else 0
    for epoch in range(done + 1, EPOCHS + 1):
        write_epochs(run, [epoch], EPOCHS, number=number)
        seconds_left = SECONDS * (1 - epoch / EPOCHS) * 60
        progress.update("train", done=epoch, total=EPOCHS, unit="epoch", seconds_left=seconds_left)
        progress.write()
        time.sleep(SECONDS / EPOCHS)


def write_epochs(run: Path, epochs: Iterable[int], total: int, *, number: int = 1) -> None:
    """Add epochs to the files of a training; curves rise and fall as they do."""
    run.mkdir(parents=True, exist_ok=True)
    metrics = run / "metrics.csv"
    names = ["epoch", "step", "box_loss", "class_loss", "map50", "mean_ap", "seconds"]
    is_new = not metrics.is_file()
    with metrics.open("a", newline="") as file:
        rows = csv.DictWriter(file, names)
        if is_new:
            rows.writeheader()
        for epoch in epochs:
            part = epoch / total
            loss = 0.25 + 1.9 * math.exp(-4 * part) + 0.05 * math.sin(epoch * 2.1) / epoch**0.5
            score = (0.9 + 0.015 * number) * (1 - math.exp(-4.2 * part)) + 0.02 * math.sin(epoch * 1.7) * (1 - part)
            values = {"box_loss": 0.4 * loss, "class_loss": 0.6 * loss, "map50": max(score, 0), "seconds": 1}
            rows.writerow({"epoch": epoch, "step": epoch * 9, "mean_ap": max(0.62 * score, 0)} | values)
            print(f"epoch {epoch}/{total}  loss {loss:.3f}  mAP50 {max(score, 0):.3f}", flush=True)


def write_version(model: ModelFolder, number: int, *, labels: Sequence[str], pictures: Sequence[bytes]) -> None:
    """Write the files of a finished version."""
    version = model.version(number)
    function = version.function / "nuclio"
    function.mkdir(parents=True, exist_ok=True)
    spec = json.dumps([{"id": place, "name": label, "type": "rectangle"} for place, label in enumerate(labels)])
    metadata = {"name": model.name, "annotations": {"spec": spec}}
    (function / "function.yaml").write_text(json.dumps({"metadata": metadata}))
    thresholds = (0.42, 0.38, 0.45, 0.4)[: len(labels)]
    Manifest("ssd-mobilenet-v2", tuple(labels), (320, 240), Postprocess(0.42, thresholds)).write(
        function / "model.json"
    )
    map50 = 0.9 + 0.015 * number
    scores = {name: {"map50": map50, "mean_ap": 0.56 + 0.02 * number} for name in ("reference", "ir", "served")}
    directory = FunctionDirectory(function)
    figures = {"images": 9, "boxes": 34, "scores": scores, "differences": {}}
    directory.write_proof(Proof(figures=figures, digests=directory.digests))
    overlays = version.run / "overlays"
    overlays.mkdir(parents=True, exist_ok=True)
    report = Path(page).read_text() if (page := os.environ.get("FAKE_RUN_REPORT")) else REPORT
    (version.run / "report.html").write_text(report)
    for place, content in enumerate(pictures):
        (overlays / f"frame {place}.jpg").write_bytes(content)
    images = {"train": 15 + 9 * number, "validation": 9}
    record = {"format": 1, "number": number, "created": f"2026-11-{20 + number}T10:00:00+00:00"}
    scores = {"map50": map50, "mean_ap": 0.56 + 0.02 * number}
    write_json(version.record_file, record | {"model": "ssd-mobilenet-v2", "images": images} | scores)


def picture(seed: int) -> Image.Image:
    scene = draw_image(900 + seed, (480, 360))
    pen = ImageDraw.Draw(scene.image)
    for box, class_id in zip(scene.boxes.tolist(), scene.class_ids.tolist(), strict=True):
        pen.rectangle(box, outline=COLOURS[class_id], width=3)
        pen.text((box[0] + 5, box[1] + 3), f"{LABELS[class_id]} 0.{97 - seed}", fill=COLOURS[class_id])
    return scene.image


def _after(words, name):
    return words[words.index(name) + 1]


if __name__ == "__main__":
    sys.exit(main())
