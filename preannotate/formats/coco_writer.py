"""Writer of COCO instances JSON with scores: what CVAT imports as "COCO 1.0" and pycocotools reads."""

import json
from collections.abc import Sequence

from preannotate.inference.answers import Answer


def instances_json(answers: Sequence[Answer], labels: Sequence[str]) -> str:
    """The text of the file.

    Args:
        answers: One for each image that was read.
        labels: Of the function, in its order; the category of the first has id 1.
    """
    images, annotations = [], []
    for image_id, answer in enumerate(answers, 1):
        width, height = answer.size
        images.append({"id": image_id, "file_name": answer.name, "width": width, "height": height})
        for detection in answer.detections:
            x1, y1, x2, y2 = (round(value, 2) for value in detection.box)
            side_x, side_y = round(x2 - x1, 2), round(y2 - y1, 2)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": detection.class_id + 1,
                    "bbox": [x1, y1, side_x, side_y],
                    "area": round(side_x * side_y, 4),
                    "iscrowd": 0,
                    "segmentation": [],
                    "score": round(detection.score, 6),
                }
            )
    categories = [{"id": i, "name": label, "supercategory": ""} for i, label in enumerate(labels, 1)]
    content = {"categories": categories, "images": images, "annotations": annotations}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"
