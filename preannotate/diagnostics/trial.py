"""One request to a function directory, as CVAT would send it, in a process that sees only that directory.

`builder.probe` sends it to the real `main.py` with nuclio's SDK. A crash of an engine is only a finding.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw

from builder.errors import BuildError
from builder.probe import ProbeResults
from builder.variant_run import parse_reply, run_probe
from preannotate.core.drafts import working_directory
from preannotate.core.memory import free_memory
from preannotate.core.text import plural
from preannotate.diagnostics.finding import Finding, error, error_from_sentence, ok, warning
from preannotate.diagnostics.functions import LocalFunction
from runtime.function_file import read_labels, rename_classes
from runtime.manifest import Manifest

# Loading TensorFlow from a slow disk takes ten.
SECONDS = 20.0
IMAGE_SIZE = (640, 480)
# Somebody waits for the answer; a batch of a thousand frames at this rate takes a quarter of an hour.
_SLOW_SECONDS = 1.0
_MIB = 1024**2
# Low, so that there are boxes to judge.
_THRESHOLD = 0.05
# The error of a function that knew what was wrong.
_OWN_ERROR = re.compile(r"exit code \d+ \(runtime\.errors\.\w+: (.+)\)", re.DOTALL)


def request(function: LocalFunction) -> Iterator[Finding]:
    """Load the model, send one request, and check the response as CVAT would."""
    where = f"run {function.name} ({function.variant.framework})"
    engine = function.settings.environment.get("MODEL_ENGINE", function.variant.engine)
    with working_directory() as work:
        image = Path(work) / "drawn.jpg"
        _draw(image)
        try:
            content = run_probe(function.settings.path, engine, [image], threshold=_THRESHOLD, step="", timeout=SECONDS)
        except BuildError as failed:
            yield _failure(where, str(failed), function)
            return
    yield from _judge(where, content, function)


def _draw(path: Path) -> None:
    """An image with something on it; what is found there does not matter."""
    image = Image.new("RGB", IMAGE_SIZE, (120, 140, 110))
    draw = ImageDraw.Draw(image)
    draw.rectangle((80, 120, 260, 330), fill=(200, 40, 40))
    draw.ellipse((360, 90, 560, 290), fill=(40, 60, 190))
    image.save(path, quality=90)


def _judge(where: str, content: ProbeResults, function: LocalFunction) -> Iterator[Finding]:
    directory = function.settings.path
    manifest = rename_classes(Manifest.read(directory), read_labels(directory / "function.yaml"))
    found, wrong = parse_reply(content["served"][0], manifest.labels, IMAGE_SIZE, manifest.label_type)
    if wrong:
        yield error(
            where,
            f"an answer that CVAT cannot store: {wrong[0]}.",
            "Undo what was changed in main.py or model_handler.py, or build the function again.",
        )
        return
    cost, device = content["cost"], content["description"]["device"]
    text = (
        f"{device}: loaded in {cost['load_seconds']:.1f} s, an image of {IMAGE_SIZE[0]}x{IMAGE_SIZE[1]} answered in "
        f"{cost['request_seconds'] * 1000:.0f} ms ({plural(len(found), 'object')}), "
        f"{cost['memory_bytes'] / _MIB:.0f} MiB"
    )
    if function.variant.limits and device.startswith("CPU"):
        yield warning(where, f"{text}: no GPU was used.", "See above for the GPU; without one deploy the CPU variant.")
    elif cost["request_seconds"] > _SLOW_SECONDS:
        yield warning(where, f"{text}: slow.", "Look for what else uses this processor: top")
    else:
        yield ok(where, text)
    needed, free = cost["memory_bytes"] * function.settings.workers, free_memory()
    if free is not None and needed > free:
        yield warning(
            where,
            f"{function.settings.workers} workers need {needed / _MIB:.0f} MiB, {free / _MIB:.0f} MiB are free.",
            f"Lower numWorkers in {function.variant.file}, or free memory; a worker without memory is killed.",
        )


def _failure(where: str, sentence: str, function: LocalFunction) -> Finding:
    """A finding for the process that did not answer, with what helps against its last words."""
    what = sentence.removeprefix(": ").removesuffix("; expected it to succeed.")
    if what.startswith("ended by"):
        what = what.rpartition(" (")[0]  # the last line of the log says nothing about it
    extra = "train" if function.variant.engine == "tensorflow" else "build"
    remedies = {
        "No module named 'nuclio_sdk'": "pip install 'preannotate[build]'",
        f"No module named '{function.variant.engine}'": f"pip install 'preannotate[{extra}]'",
        "ended by SIGILL": "The processor lacks an instruction: hand the host's through (CPU type `host`).",
        "(SIGKILL)": "Free memory, or raise the container's limit.",
        "no answer within": "Try again; if it stays slow, look for what else uses this processor: top",
        "No module named 'runtime": "Build the function again; parts of it are missing.",
    }
    remedy = next((text for words, text in remedies.items() if words in what), "")
    if what.startswith("no answer within"):  # a busy machine, most often: nothing is known to be broken
        return warning(where, f"{what}.", remedy)
    own_words = _OWN_ERROR.fullmatch(what)
    if own_words is None:
        return error(where, f"{what}.", remedy or "Build the function again.")
    found = error_from_sentence(where, own_words[1], "Build the function again.")
    return replace(found, remedy=remedy or found.remedy)
