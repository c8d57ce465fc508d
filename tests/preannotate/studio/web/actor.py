"""Acts as `preannotate` in a run of the studio: writes what a real run writes, in seconds, and learns nothing.

ACTOR_SECONDS says how long a training takes, ACTOR_REPORT names a page to leave as the report, ACTOR_FAILS a
sentence to fail with.
"""

import csv
import math
import os
import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw

from builder.function_directory import FunctionDirectory, Proof
from preannotate.pipeline.progress import Progress
from preannotate.registry import publication
from preannotate.registry.workspace import Workspace, write_json
from preannotate.synthetic.objects import LABELS
from preannotate.synthetic.scene import draw
from runtime.manifest import Manifest, Postprocess

EPOCHS = 24
SECONDS = float(os.environ.get("ACTOR_SECONDS", "3"))
COLOURS = ("#33ddff", "#ff8a3d", "#7ee787", "#d2a8ff")
STAGES = ("pull", "train", "build", "check", "publish", "verify")


def main() -> int:
    words = sys.argv[1:]
    if sentence := os.environ.get("ACTOR_FAILS"):
        print(f"error: {sentence}", file=sys.stderr)
        return 2
    if words[0] == "run":
        workspace = Workspace(Path(_after(words, "--workspace")))
        model = workspace.model(_after(words, "--name"))
        with model.locked():
            return train(workspace, model, publish=_after(words, "--deploy") != "none")
    for part in range(0, 101, 10):
        print(f"{part}%|{'#' * (part // 10)}", flush=True)
        time.sleep(SECONDS / 40)
    if words[0] in ("rank", "review"):
        rows = [
            (n, 7 * n, f"https://cvat.example.org/tasks/12/jobs/40?frame={7 * n}", "near the threshold")
            for n in (1, 2, 3)
        ]
        with Path("ranking.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("rank", "frame", "link", "why"), *rows])
    return 0


def train(workspace, model, *, publish) -> int:
    number = max((one.number for one in model.versions() if one.complete), default=0) + 1
    version = model.version(number)
    progress = Progress.begin(model.progress, STAGES)
    progress.version = number
    try:
        with progress.running("pull") as stage:
            print("task 12: 24 frames", flush=True)
            time.sleep(SECONDS / 20)
            stage.detail = "24 frames, 96 boxes"
        with progress.running("train"):
            learn(version.run, number)
    except KeyboardInterrupt:
        print("stopped")
        return 130
    for name in ("build", "check"):
        with progress.running(name):
            time.sleep(SECONDS / 20)
    leave(model, version)
    if publish:
        with progress.running("publish") as stage:
            publication.publish(workspace, model.name, number)
            stage.detail = f"version {number}"
        with progress.running("verify") as stage:
            stage.detail = "CVAT lists it, and it answered on frame 0"
    else:
        progress.skip("publish", "was not asked for")
        progress.skip("verify", "is not published")
    return 0


def learn(run: Path, number: int) -> None:
    run.mkdir(parents=True, exist_ok=True)
    metrics = run / "metrics.csv"
    done = len(metrics.read_text().splitlines()) - 1 if metrics.is_file() else 0
    names = ["epoch", "step", "box_loss", "class_loss", "map50", "mean_ap", "seconds"]
    with metrics.open("a", newline="") as file:
        rows = csv.DictWriter(file, names)
        if not done:
            rows.writeheader()
        for epoch in range(done + 1, EPOCHS + 1):
            part = epoch / EPOCHS
            pace = {"epoch": epoch, "epochs": EPOCHS, "step": epoch * 9, "steps": EPOCHS * 9, "at": ""}
            seconds = {"seconds_spent": SECONDS * part * 60, "seconds_left": SECONDS * (1 - part) * 60}
            write_json(run / "pace.json", pace | seconds)
            time.sleep(SECONDS / EPOCHS)
            loss = 0.25 + 1.9 * math.exp(-4 * part) + 0.05 * math.sin(epoch * 2.1) / epoch**0.5
            score = (0.9 + 0.015 * number) * (1 - math.exp(-4.2 * part)) + 0.02 * math.sin(epoch * 1.7) * (1 - part)
            values = {"box_loss": 0.4 * loss, "class_loss": 0.6 * loss, "map50": max(score, 0), "seconds": 1}
            rows.writerow({"epoch": epoch, "step": epoch * 9, "mean_ap": max(0.62 * score, 0)} | values)
            file.flush()
            print(f"epoch {epoch}/{EPOCHS}  loss {loss:.3f}  mAP50 {max(score, 0):.3f}", flush=True)


def leave(model, version) -> None:
    """What a finished version has."""
    function = version.function / "nuclio"
    function.mkdir(parents=True, exist_ok=True)
    (function / "function.yaml").write_text(f"metadata:\n  name: {model.name}\n")
    Manifest("ssd-mobilenet-v2", LABELS, (320, 240), Postprocess(0.42, (0.42, 0.38, 0.45, 0.4))).write(
        function / "model.json"
    )
    scores = {name: {"map50": 0.9 + 0.015 * version.number} for name in ("reference", "ir", "served")}
    directory = FunctionDirectory(function)
    figures = {"images": 9, "boxes": 34, "scores": scores, "differences": {}}
    directory.write_proof(Proof(figures=figures, digests=directory.digests))
    page = os.environ.get("ACTOR_REPORT", "")
    report = (
        Path(page).read_bytes()
        if page
        else b"<!doctype html><html lang=en><title>Report</title><h1>0.15 of the time</h1>"
    )
    (version.run / "report.html").write_bytes(report)
    overlays = version.run / "overlays"
    overlays.mkdir(exist_ok=True)
    for seed in range(4):
        picture(seed).save(overlays / f"frame_{seed:03d}.jpg", quality=85)
    images = {"train": 15 + 9 * version.number, "validation": 9}
    score = {"map50": 0.9 + 0.015 * version.number, "mean_ap": 0.56 + 0.02 * version.number}
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    record = {"format": 1, "number": version.number, "created": now, "model": "ssd-mobilenet-v2", "images": images}
    write_json(version.record_file, record | score)


def picture(seed: int) -> Image.Image:
    scene = draw(900 + seed, (480, 360))
    pen = ImageDraw.Draw(scene.image)
    for box, class_id in zip(scene.boxes.tolist(), scene.class_ids.tolist(), strict=True):
        pen.rectangle(box, outline=COLOURS[class_id], width=3)
        pen.text((box[0] + 5, box[1] + 3), f"{LABELS[class_id]} 0.{97 - seed}", fill=COLOURS[class_id])
    return scene.image


def _after(words, name):
    return words[words.index(name) + 1]


if __name__ == "__main__":
    sys.exit(main())
