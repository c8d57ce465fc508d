"""`preannotate draw`, and `demo`: the whole workflow on synthetic images, as commands that anybody could type."""

import argparse
import base64
import json
import shlex
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from preannotate.cli.arguments import positive
from preannotate.cli.command import Command
from preannotate.core import child_process, http
from preannotate.core.child_process import ChildProcess, module_command
from preannotate.core.errors import PreannotateError

# Two hundred images train a small network from random weights in minutes; sixty tell how good it is.
TRAIN_IMAGES, TEST_IMAGES = 240, 60
# From random weights, steps count: many small ones on small inputs, with the objects mostly as they are.
ARGUMENTS = "image_size=256x192,batch_size=8,augment=weak,early_stopping=none"
# Learns masks; it starts from COCO weights where these are here or can be downloaded.
MASK_MODEL = "yolox-nano-seg"
NAME = "demo"
START_SECONDS = 60


def _add_draw_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("output", type=Path, metavar="EXPORT", help="zip file or folder to write")
    add("--count", type=positive, default=40, metavar="N", help="number of images (default: 40)")
    add("--seed", type=int, default=0, metavar="N", help="seed of the random images (default: 0)")
    add("--masks", action="store_true", help="annotate the exact outlines of the objects, not boxes")
    add("--format", choices=("cvat-images", "coco"), default="cvat-images", help="default: cvat-images")


def _run_draw(arguments: argparse.Namespace) -> int:
    from preannotate.synthetic import write_export

    write_export(arguments.output, arguments.count, arguments.seed, masks=arguments.masks, format_name=arguments.format)
    print(f"{arguments.count} images in {arguments.output}")
    return 0


def _add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--output", type=Path, default=Path("demo"), metavar="DIR", help="folder to work in (default: demo)")
    add("--minutes", type=float, default=5.0, metavar="M", help="minutes of training (default: 5)")
    add("--masks", action="store_true",
        help=f"outlines in place of boxes, with {MASK_MODEL} and its COCO weights (downloaded once)")  # fmt: skip


def _run_demo(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.output
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    names = ("train.zip", "test.zip", "run", "functions", "photos", "overlays", "annotations.zip")
    paths = {name: str(folder / name) for name in names}
    function = str(folder / "functions" / NAME)
    for name in names:
        _remove(folder / name)
    outlines = ("--masks",) if arguments.masks else ()
    _preannotate("draw", paths["train.zip"], "--count", str(TRAIN_IMAGES), "--seed", "1", *outlines)
    _preannotate("draw", paths["test.zip"], "--count", str(TEST_IMAGES), "--seed", "2", *outlines)
    _preannotate(
        *("train", paths["train.zip"]),
        *(("--model", MASK_MODEL) if arguments.masks else ("--base-model", "none")),
        *("--arguments", f"max_minutes={arguments.minutes:g},{ARGUMENTS}", "--output", paths["run"]),
    )
    _preannotate("build", paths["run"], "--name", NAME, "--output", paths["functions"])
    _preannotate("check", function)
    _preannotate("evaluate", function, paths["test.zip"])
    _preannotate("draw", paths["photos"], "--count", "12", "--seed", "3")
    photos = str(folder / "photos" / "images")
    _preannotate(
        *("annotate", function, photos, "--overlay", paths["overlays"]),
        *("--export", "cvat-images", paths["annotations.zip"]),
    )
    image = sorted(Path(photos).iterdir())[0]
    _serve_and_call(paths["functions"], image)
    print(f"\nDone in {(time.monotonic() - started) / 60:.1f} minutes. Look at:")
    print(f"  {paths['overlays']}/            detections on images that the model was not trained on")
    print(f"  {paths['run']}/report.html      time saved, what to do next, the worst images")
    print(f"  {function}/nuclio/  what nuclio deploys; parity.json proves the accuracy")
    print(f"Next: preannotate serve {paths['functions']}")
    return 0


def _preannotate(*arguments: str) -> None:
    print(f"\n$ preannotate {shlex.join(arguments)}", flush=True)
    result = child_process.run(module_command("preannotate", arguments), stdout=None, stderr=None)
    if result.interrupted:
        raise KeyboardInterrupt
    if result.code != 0:
        raise PreannotateError(
            f"preannotate {arguments[0]}: {result.problem}; expected exit code 0. See the message above."
        )


def _serve_and_call(functions: str, image: Path) -> None:
    port = _free_port()
    print(f"\n$ preannotate serve {functions} --port {port} &", flush=True)
    command = module_command("preannotate", ["serve", functions, "--port", str(port)])
    with ChildProcess(command, stdout=None, stderr=None) as server:
        dashboard = f"http://127.0.0.1:{port}"
        listed = _wait_for_function(dashboard, server)
        print(f"\n$ curl {dashboard}/api/functions      # as CVAT's Models page does")
        for name, content in listed.items():
            print(f"{name}: {content['status']['state']}, port {content['status'].get('httpPort')}")
        print(f"\n$ curl -X POST …/api/function_invocations      # one image of the automatic annotation: {image.name}")
        body = {"image": base64.b64encode(image.read_bytes()).decode()}
        headers = {"x-nuclio-function-name": NAME, "x-nuclio-path": "/"}
        url = f"{dashboard}/api/function_invocations"
        response = http.request("POST", url, headers=headers, json_body=body, timeout=60)
        if response.status != 200:
            raise PreannotateError(
                f"preannotate serve: {response.status} {response.message()}; expected 200. See its log above."
            )
        for shape in response.json():
            if "mask" in shape:  # thousands of them
                shape["mask"] = f"{len(shape['mask'])} numbers: its pixels, then its box"
            print(json.dumps(shape, ensure_ascii=False))


def _wait_for_function(dashboard: str, server: ChildProcess) -> dict[str, Any]:
    """Return the response to `GET /api/functions` once the function of the demo is ready."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.alive:
        try:
            listed = http.request("GET", f"{dashboard}/api/functions", timeout=5).json() or {}
        except http.NoResponseError:
            listed = {}
        if listed.get(NAME, {}).get("status", {}).get("state") == "ready":
            return listed
        time.sleep(0.2)
    raise PreannotateError(
        f"preannotate serve: no function ready after {START_SECONDS} s; expected {NAME!r}. See its log above."
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


COMMANDS = (
    Command("draw", "write synthetic annotated images to try things on", _add_draw_arguments, _run_draw),
    Command("demo", "show the whole workflow on synthetic images", _add_demo_arguments, _run_demo),
)
