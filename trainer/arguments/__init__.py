"""Arguments of a training: from `--config`, `--arguments` and `--set` to one set of values.

`sources` reads the three; `table` defines each argument; `defaults` decides what was not requested. Nothing here needs
TensorFlow, so that mistakes are found at once.
"""

from trainer.arguments.sources import parse_arguments, read_arguments
from trainer.arguments.table import ARGUMENTS

__all__ = ["ARGUMENTS", "parse_arguments", "read_arguments"]
