"""What a run can be asked for: from `--config`, `--arguments` and `--set` to one set of values.

`sources` reads the three and lets the later one win; `table` says what each argument means and may be;
`spellings` knows other names of the same; `defaults` fills in what was not asked for.
Nothing here needs TensorFlow: mistakes are answered at once.
"""

from trainer.arguments.sources import parse_arguments, read_arguments
from trainer.arguments.table import ARGUMENTS

__all__ = ["ARGUMENTS", "parse_arguments", "read_arguments"]
