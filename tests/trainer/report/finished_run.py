"""The folder of a finished run, written by hand: six drawn images, what a network found on them, and all the rest."""

import io
import json
from dataclasses import replace

import numpy as np
from PIL import Image
from support.training import training_config

from evaluation import ground_truth, reference
from evaluation.corrections import CorrectionCosts
from evaluation.ground_truth import AnnotatedImage
from evaluation.reference import Reference
from runtime.detector import Detection
from runtime.manifest import FILE_NAME, Manifest, MaskHead, MaskKind, Postprocess
from runtime.masks import InstanceMask
from trainer.config import Decision, RunConfig
from trainer.datasets.health import LoadReport
from trainer.report import criterion
from trainer.run_directory import RunDirectory

SIZE = (200, 100)
METRICS = """epoch,step,class_loss,box_loss,map50,mean_ap,seconds
1,2,0.9,1.5,,,1.0
2,4,0.5,1.1,0.2,0.1,2.0
3,6,0.4,0.9,0.7,0.5,3.0
"""


def at(x, width=20):
    return (float(x), 10.0, float(x + width), 50.0)


def write_run(
    folder,
    labels=("cat", "dog"),
    names=tuple("abcdef"),
    *,
    detections=None,
    annotate=True,
    export_name="cats.zip",
    outlines=False,
):
    """A run whose first image is without fault, the second has everything wrong, the others miss a dog each.

    With `outlines` all objects but the last one of each image are annotated and detected as ellipses.
    """
    run = RunDirectory(folder)
    validation = run.export / "validation"
    (validation / "images").mkdir(parents=True)
    images = []
    for number, name in enumerate(names):
        stream = io.BytesIO()
        Image.new("RGB", SIZE, (90, 90, 20 * number)).save(stream, "JPEG")
        (validation / "images" / f"{number}.jpg").write_bytes(stream.getvalue())
        boxes = np.float32([at(10), at(60), at(110)] if annotate else []).reshape(-1, 4)
        masks = (disc(at(10)), disc(at(60)), None) if outlines else ()
        class_ids = np.array([0, 1, 1])[: len(boxes)]
        images.append(AnnotatedImage(f"{name}.jpg", f"images/{number}.jpg", SIZE, boxes, class_ids, masks))
    if detections is None:
        first = [found(labels, 0, at(10)), found(labels, 1, at(60)), found(labels, 1, at(110))]
        second = [found(labels, 0, at(15)), found(labels, 0, at(60)), found(labels, 0, at(170))]
        detections = [first, second, *[first[:2]] * (len(names) - 2)]
    if outlines:
        detections = [[replace(one, mask=disc(one.box)) for one in of_image] for of_image in detections]
    ground_truth.write(validation, labels, images)
    reference.write(validation, Reference("Keras 3", detections))
    provenance = {
        "created": "2026-01-02T03:04:05+00:00",
        "run": folder.name,
        "images": {"train": 20, "validation": len(names)},
        "dataset": "0" * 64,
        "versions": {"python": "3.11"},
        **criterion(CorrectionCosts()),
    }
    cut = Postprocess(0.4, (0.4,) * len(labels))
    mask_head = MaskHead(MaskKind.PROTOTYPES) if outlines else None
    types = ("polygon",) * len(labels) if outlines else ()
    manifest = Manifest(
        "ssd-mobilenet-v2", tuple(labels), (200, 100), cut, provenance, mask_head=mask_head, label_types=types
    )
    manifest.write(run.export / FILE_NAME)
    run.metrics.write_text(METRICS)
    RunConfig(
        arguments=training_config(epochs=3, image_size="200x100"),
        overrides={"epochs": 3},
        model="ssd-mobilenet-v2",
        labels=tuple(labels),
        base_model="none",
        pretrained=False,
        alpha=1.0,
        input_size=(200, 100),
        aspects=(1.0,),
        decisions=(Decision("batch_size=8", "the usual number for <this> model"),),
    ).write(run.config)
    classes = {label: {"images": 26, "boxes": 40} for label in labels}
    write_json(
        run.dataset,
        {
            "exports": [{"name": export_name, "title": "COCO 1.0"}],
            **{"images": 26, "negatives": 0, "boxes": 80, "classes": classes, "box_sizes": None, "warnings": []},
            "load_report": LoadReport(frames=30, unannotated=4).to_json(),
        },
    )
    write_json(
        run.summary,
        {"seconds": 100.0, "epochs": 3, "best_epoch": 3, "stopped_early": False, "thresholds": {}},
    )
    return run


def disc(box):
    """The ellipse that fills a box, as a mask."""
    left, top, right, bottom = map(int, box)
    y, x = np.mgrid[top:bottom, left:right] + 0.5
    ellipse = ((x - (left + right) / 2) / (right - left)) ** 2 + ((y - (top + bottom) / 2) / (bottom - top)) ** 2
    return InstanceMask.from_bitmap(ellipse < 0.25, left, top)


def found(labels, class_id, box, score=0.9):
    return Detection(labels[class_id], class_id, score, box)


def write_json(path, content):
    path.write_text(json.dumps(content, ensure_ascii=False))
