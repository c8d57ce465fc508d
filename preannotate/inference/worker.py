"""The child process of `annotate`: a function directory's own code, and nothing of the project.

Started as `python -P worker.py DIRECTORY`. It writes one line of JSON when the model is loaded, then reads
requests `{"image": path, "threshold": number or null}` from standard input, one a line, and answers each
with a line. What the model's libraries print goes to standard error.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO


def serve(directory: Path, requests: TextIO, replies: TextIO) -> None:
    """Load the function in `directory` and answer until the requests end."""
    sys.path.insert(0, str(directory))
    from runtime.errors import FunctionError, RequestError

    try:
        from model_handler import ModelHandler

        from runtime.function_file import read_labels

        detector = ModelHandler(read_labels(directory / "function.yaml")).detector
    except (FunctionError, ImportError) as error:
        _say(replies, {"error": str(error)})
        return
    _say(replies, {"labels": list(detector.manifest.labels)})
    for line in requests:
        request = json.loads(line)
        try:
            image = detector.decode(Path(request["image"]).read_bytes())
            detections = detector.detect(image, request["threshold"])
        except RequestError as error:
            _say(replies, {"error": str(error)})
        except OSError as error:
            _say(replies, {"error": f"{error.strerror or error}."})
        else:
            _say(replies, {"size": list(image.size), "detections": [vars(found) for found in detections]})


def _say(replies: TextIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


if __name__ == "__main__":
    own_output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(Path(sys.argv[1]), sys.stdin, own_output)
