"""What can be wrong with a function directory or a request.

FunctionError
├── ManifestError (ValueError)   model.json is missing, unreadable, or contradicts the artefact
├── LabelError    (ValueError)   function.yaml and model.json disagree
├── EngineError   (RuntimeError) the engine is not installed or cannot load the model
└── RequestError  (ValueError)   no image, not base64, threshold outside [0, 1]
    ├── ImageError       (RequestError)  the bytes of its image cannot be decoded
    └── MisdirectedError (RequestError)  it is meant for another function

Each message is one sentence for a person: where, what was found, what was expected, what to do.
"""


class FunctionError(Exception):
    """Something is wrong with a function directory or a request."""


class ManifestError(FunctionError, ValueError):
    """`model.json` is missing, unreadable, or contradicts the artefact."""


class LabelError(FunctionError, ValueError):
    """`function.yaml` and `model.json` disagree about the labels."""


class EngineError(FunctionError, RuntimeError):
    """The engine is not installed or cannot load the model."""


class RequestError(FunctionError, ValueError):
    """A request cannot be answered because of what was sent (HTTP status 400)."""


class ImageError(RequestError):
    """The bytes of an image cannot be decoded; everything else about the request is right."""


class MisdirectedError(RequestError):
    """A request that is meant for another function (HTTP status 421)."""


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or the name of its class if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
