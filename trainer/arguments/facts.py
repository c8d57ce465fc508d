"""What is known before a training, from which all arguments follow that are not requested."""

from dataclasses import dataclass

from trainer.copy_paste import CopyPaste
from trainer.input_size import InputSize
from trainer.tiling import Tiling


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """Facts about the training data, the base weights and the machine.

    Attributes:
        images: In the training part.
        input_size: Of the network, and why it was chosen.
        pretrained: Whether training starts from pretrained weights.
        alpha: Relative width of the backbone with these weights.
        boxes: In the training part; None counts as enough.
        copy_paste: As chosen for these boxes; None pastes nothing.
        tiles: As chosen for these boxes and images; None has none.
        replicas: Among which a batch is divided.
    """

    images: int
    input_size: InputSize
    pretrained: bool
    alpha: float
    boxes: int | None = None
    copy_paste: CopyPaste | None = None
    tiles: Tiling | None = None
    replicas: int = 1
