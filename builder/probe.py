"""Run a function directory as a container would: `python -P probe.py REQUESTS RESULTS`.

The script runs in the function directory and may import only the standard library, nuclio_sdk and what lies there. It
starts `main.py` as nuclio's wrapper does, and sends each image to the handler, as CVAT would, and to its detector.
"""

import base64
import importlib.metadata
import json
import platform
import resource
import site
import sys
import time
import zlib
from pathlib import Path
from typing import Any, TypedDict

PACKAGES = ("contourpy", "numpy", "pillow", "openvino", "tensorflow", "tensorflow-cpu", "nuclio-sdk")


class Reply(TypedDict):
    """The reply that nuclio would send; its body, packed: the masks of one image may be 40 MB of text."""

    status_code: int
    content_type: str
    body: str


class ProbeResults(TypedDict):
    """What the function returned.

    Attributes:
        description: `ModelHandler.description`: engine, device and fingerprint.
        versions: By package.
        cost: `load_seconds`; `request_seconds` of the last image; `memory_bytes`, the peak.
        bad_request: Reply to a body that is not JSON.
        direct: For each image the detector's detections: class id, score, box, and the mask as JSON or None.
        served: For each image the handler's reply.
        served_by_default: The reply for the first image to a request without a threshold.
    """

    description: dict[str, str]
    versions: dict[str, str]
    cost: dict[str, float]
    bad_request: Reply
    direct: list[list[tuple[int, float, tuple[float, float, float, float], dict[str, Any] | None]]]
    served: list[Reply]
    served_by_default: list[Reply]


def main(requests_file: str, results_file: str) -> None:
    """Read {"images": [path, …], "threshold": t}; write `ProbeResults`."""
    directory = Path.cwd()
    _isolate(directory)
    import main as function  # type: ignore[import-not-found] # this and runtime: those of the function directory
    import nuclio_sdk

    import runtime

    if Path(runtime.__file__).parent != directory / "runtime":
        sys.exit(f"runtime was imported from {Path(runtime.__file__).parent}, expected {directory / 'runtime'}")
    requests = json.loads(Path(requests_file).read_text(encoding="utf-8"))
    context = nuclio_sdk.Context(logger=_logger(nuclio_sdk), worker_id="0")
    started = time.perf_counter()
    function.init_context(context)
    cost = {"load_seconds": time.perf_counter() - started}

    def call(body: object) -> Reply:
        event = nuclio_sdk.Event(body=body, content_type="application/json", method="POST")
        output = function.handler(context, event)
        reply: Reply = nuclio_sdk.Response.from_entrypoint_output(json.dumps, output)
        return {**reply, "body": pack(reply["body"])}

    model = context.user_data.model
    results: ProbeResults = {
        "description": model.description,
        "versions": {"python": platform.python_version(), **_versions()},
        "cost": cost,
        "bad_request": call(b"not JSON"),
        "direct": [],
        "served": [],
        "served_by_default": [],
    }
    for path in requests["images"]:
        data = Path(path).read_bytes()
        image = base64.b64encode(data).decode("ascii")
        found = model.detector.detect(model.detector.decode(data), requests["threshold"])
        results["direct"].append([(item.class_id, item.score, item.box, _mask_to_json(item)) for item in found])
        started = time.perf_counter()
        results["served"].append(call({"image": image, "threshold": requests["threshold"]}))
        cost["request_seconds"] = time.perf_counter() - started
        if not results["served_by_default"]:  # a subset of the others: one is enough
            results["served_by_default"].append(call({"image": image}))
    cost["memory_bytes"] = _memory()
    Path(results_file).write_text(json.dumps(results), encoding="utf-8")


def pack(body: str) -> str:
    """Return a body in a hundredth of its size, if there are masks in it."""
    return base64.b64encode(zlib.compress(body.encode("utf-8"), level=1)).decode("ascii")


def unpack(body: str) -> str:
    """Return a body that was packed."""
    return zlib.decompress(base64.b64decode(body)).decode("utf-8")


def _mask_to_json(detection: Any) -> dict[str, Any] | None:
    """Return the mask of a detection; one of an earlier release, whose own runtime this is, has none."""
    mask = getattr(detection, "mask", None)
    return None if mask is None else mask.to_json()


def _isolate(directory: Path) -> None:
    """Leave only the function directory, the standard library and installed packages on the path.

    A development install puts the project itself there, through a .pth file.
    """
    homes = {Path(home).resolve() for home in (sys.prefix, sys.base_prefix, site.getusersitepackages())}

    def belongs(entry: str) -> bool:
        path = Path(entry).resolve()
        return path == directory.resolve() or bool(homes & {path, *path.parents})

    sys.path[:] = filter(belongs, sys.path)


def _logger(nuclio_sdk: Any) -> Any:
    logger = nuclio_sdk.Logger(level="DEBUG")
    logger.set_handler("default", sys.stderr, nuclio_sdk.logger.HumanReadableFormatter())
    return logger


def _memory() -> int:
    """Peak memory of this process in bytes; Linux counts in KiB, macOS in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
