"""What `benchmarks/serving.py` compares with: a handler as one usually writes it for CVAT.

Decodes the whole image, makes an array of it, resizes, leaves OpenVINO's settings alone, and goes through
the boxes one by one in Python.
"""

import base64
import io
import json
from pathlib import Path

import numpy as np
import openvino as ov
from PIL import Image

DIRECTORY = Path(__file__).parent
IOU_THRESHOLD = 0.5


def init_context(context):
    """Load the model."""
    manifest = json.loads((DIRECTORY / "model.json").read_text("utf-8"))
    context.user_data.labels = manifest["labels"]
    context.user_data.size = manifest["input_size"]
    context.user_data.threshold = manifest["postprocess"]["threshold"]
    context.user_data.model = ov.Core().compile_model(DIRECTORY / "model.xml", "CPU")


def handler(context, event):
    """Answer one request."""
    data = event.body
    image = Image.open(io.BytesIO(base64.b64decode(data["image"])))
    threshold = float(data.get("threshold", context.user_data.threshold))
    results = infer(context.user_data, image.convert("RGB"), threshold)
    return context.Response(body=json.dumps(results), headers={}, content_type="application/json", status_code=200)


def infer(model, image, threshold):
    """Find objects; the image is stretched to the network's input."""
    pixels = np.array(image)
    pixels = np.array(Image.fromarray(pixels).resize(tuple(model.size)))
    output = model.model([pixels[None]])
    boxes, scores = output["boxes"][0], output["scores"][0]
    scale_x, scale_y = image.width / model.size[0], image.height / model.size[1]
    found = []
    for box, box_scores in zip(boxes, scores, strict=True):
        for class_id, score in enumerate(box_scores):
            if score >= threshold:
                x1, y1, x2, y2 = (float(value) for value in box)
                found.append((float(score), class_id, [x1 * scale_x, y1 * scale_y, x2 * scale_x, y2 * scale_y]))
    found.sort(reverse=True)
    kept = []
    for candidate in found:
        if all(candidate[1] != other[1] or overlap(candidate[2], other[2]) <= IOU_THRESHOLD for other in kept):
            kept.append(candidate)
    return [
        {"confidence": str(score), "label": model.labels[class_id], "points": box, "type": "rectangle"}
        for score, class_id, box in kept
    ]


def overlap(a, b):
    """Intersection over union of two boxes."""
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
