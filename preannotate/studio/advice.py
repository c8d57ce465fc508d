"""What to say before a training: whether there is enough to learn from, and which model suits it."""

from dataclasses import dataclass

from preannotate.studio.catalogue import TaskDetail

OK, FEW, NONE = "ok", "few", "none"


@dataclass(frozen=True)
class Advice:
    """What the annotations are good for.

    Attributes:
        level: `OK`; `FEW`: a training is possible and would be poor; `NONE`: it is refused.
        sentences: Whole ones, with the numbers; the most important first.
    """

    level: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class ModelChoice:
    """A model that can be trained.

    Attributes:
        name: For `--model`.
        line: When to choose it.
        speed: Measured: "inference 1.9 times as long as ssd-mobilenet-v2"; or "not measured".
        accuracy: Measured: "mAP50 0.93 on 40 photos of …"; or "not measured".
        recommended: Whether `--model auto` would take it for these annotations on this machine.
        why: The sentence of `--model auto`, for the recommended one; else "".
    """

    name: str
    line: str
    speed: str
    accuracy: str
    recommended: bool
    why: str = ""


def advice(detail: TaskDetail) -> Advice:
    """Whether there is enough to learn from."""
    raise NotImplementedError


def model_choices(detail: TaskDetail, *, base_model: str = "imagenet") -> list[ModelChoice]:
    """All models, the recommended one first.

    Args:
        detail: What would be learnt from.
        base_model: "imagenet" or "none".
    """
    raise NotImplementedError
