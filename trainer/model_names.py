"""Model names of other tools: those that mean a model here, and kinds that are not supported yet."""

from collections.abc import Collection

from trainer.errors import TrainingError

AUTO = "auto"
# Names in TensorFlow's Object Detection API, which CVAT users know.
ALIASES = {
    "ssd-mobilenet-v2-coco": "ssd-mobilenet-v2",
    "frcnn-res50-coco": "frcnn-resnet50",
    "frcnn-res101-coco": "frcnn-resnet101",
    "frcnn-nas-coco": "frcnn-nas",
    "faster-rcnn-inception-resnet-v2": "frcnn-inception-resnet-v2",
}
# Beginnings of names, without `-` and `_`, and what to use instead.
UNSUPPORTED = {
    "yolo": "Use ssd-mobilenet-v2",
    "maskrcnn": "Masks become their bounding boxes; use ssd-mobilenet-v2",
}


def resolve(name: str, known: Collection[str]) -> tuple[str, str | None]:
    """Return the model that a name means, and a note if it has another name here; `-`, `_` and capitals do not matter.

    Raises:
        TrainingError: The name means no known model; the message lists the choices.
    """
    plain = name.strip().lower().replace("_", "-")
    current = ALIASES.get(plain, plain)
    choices = ", ".join([AUTO, *sorted(known)])
    for beginning, remedy in UNSUPPORTED.items():
        if current.replace("-", "").startswith(beginning):
            raise TrainingError(f"--model: {name!r} is not supported yet; expected one of: {choices}. {remedy}.")
    if current not in known and current != AUTO:
        raise TrainingError(f"--model: unknown model {name!r}; expected one of: {choices}.")
    if current == plain:
        return current, None
    return current, f"--model: {name} is called {current} here; it starts from --base-model, not from COCO weights."
