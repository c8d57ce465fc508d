"""The 80 classes of COCO, and which of a dataset's labels they are."""

import re
from collections.abc import Sequence

# In the order of the class ids of detectors; the category ids of COCO's own files have gaps. Names as in COCO's files.
COCO_CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear",
    "hair drier", "toothbrush",
)  # fmt: skip

# Other names that mean the very same: those of VOC and Darknet, other spellings, irregular plurals. Doubtful ones, as
# "bike", which is often a motorcycle, are left out.
_SYNONYMS = {
    "aeroplane": "airplane", "automobile": "car", "doughnut": "donut", "fridge": "refrigerator",
    "hair dryer": "hair drier", "human": "person", "knives": "knife", "mice": "mouse", "mobile phone": "cell phone",
    "motorbike": "motorcycle", "pedestrian": "person", "people": "person", "scissor": "scissors", "ski": "skis",
    "smartphone": "cell phone", "sofa": "couch", "television": "tv", "tv monitor": "tv",
}  # fmt: skip
_SEPARATORS = re.compile(r"[\s_-]+")
_PLURALS = ("s", "es")


def coco_class_ids(labels: Sequence[str]) -> dict[int, int]:
    """Return the index of each label that COCO knows, and its class id there, from 0 to 79.

    Capitals, spaces, `_` and `-` do not matter; plurals and exact synonyms are understood: "Traffic_Light" and
    "traffic-lights" are 9. A label that only contains the name of a class ("car door") is none of them. Several labels
    may be one class.
    """
    found = {index: _class_id(label) for index, label in enumerate(labels)}
    return {index: number for index, number in found.items() if number is not None}


def _class_id(label: str) -> int | None:
    key = _key(label)
    singulars = (key.removesuffix(ending) for ending in _PLURALS if key.endswith(ending))
    return next((_IDS[form] for form in (key, *singulars) if form in _IDS), None)


def _key(name: str) -> str:
    return _SEPARATORS.sub("", name).lower()


_IDS = {_key(name): number for number, name in enumerate(COCO_CLASSES)}
_IDS |= {_key(synonym): _IDS[_key(name)] for synonym, name in _SYNONYMS.items()}
