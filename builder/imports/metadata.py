"""What the exporter wrote into an ONNX file or an IR: `python -m builder.imports.metadata MODEL RESULT.json`.

Ultralytics writes `names` and `task`. A subprocess, for OpenVINO reads the file.
"""

import json
import sys
from pathlib import Path

from builder.child import COULD_NOT_RUN
from builder.confinement import confine
from builder.imports.errors import UnsupportedModelError

# Of a stranger's file.
_MAX_LETTERS = 1_000_000


def main(model: str, result: str) -> None:
    """Write the metadata as JSON, texts to texts; exit if it is no model."""
    from builder.imports.openvino_model import read_metadata, read_network

    file = Path(model)
    try:
        found = read_metadata(read_network(file))
    except UnsupportedModelError as error:
        print(f"error: {file.name}: {error}", file=sys.stderr)
        sys.exit(COULD_NOT_RUN)
    short = {key: text for key, text in found.items() if len(text) <= _MAX_LETTERS}
    Path(result).write_text(json.dumps(short), encoding="utf-8")


if __name__ == "__main__":
    confine([Path(sys.argv[2]).parent])
    main(*sys.argv[1:])
