"""Names of models that people bring from elsewhere: old spellings, and kinds that are not there yet."""

from collections.abc import Collection

from trainer.errors import TrainingError

AUTO = "auto"
# Names of the models that CVAT's users knew from TensorFlow's Object Detection API.
OLD_SPELLINGS = {
    "ssd-mobilenet-v2-coco": "ssd-mobilenet-v2",
    "frcnn-res50-coco": "frcnn-resnet50",
    "frcnn-res101-coco": "frcnn-resnet101",
    "frcnn-nas-coco": "frcnn-nas",
    "faster-rcnn-inception-resnet-v2": "frcnn-inception-resnet-v2",
}
# How the names of a kind begin, without `-` and `_`, to what helps instead.
ABSENT = {
    "yolo": "Take ssd-mobilenet-v2",
    "maskrcnn": "Masks become the boxes around them; take ssd-mobilenet-v2",
}


def resolve(name: str, known: Collection[str]) -> tuple[str, str | None]:
    """The model that a name means, and a note if it is called otherwise today.

    Args:
        name: As given to `--model`; `-`, `_` and capitals do not matter.
        known: Names of the models that there are.

    Raises:
        TrainingError: It means none of them, with the choices.

    """
    plain = name.strip().lower().replace("_", "-")
    today = OLD_SPELLINGS.get(plain, plain)
    choices = ", ".join([AUTO, *sorted(known)])
    for beginning, remedy in ABSENT.items():
        if today.replace("-", "").startswith(beginning):
            raise TrainingError(f"--model: {name!r} is not there yet; expected one of: {choices}. {remedy}.")
    if today not in known and today != AUTO:
        raise TrainingError(f"--model: unknown model {name!r}; expected one of: {choices}.")
    if today == plain:
        return today, None
    return today, f"--model: {name} is called {today} here; --base-model says what it starts from, not COCO."
