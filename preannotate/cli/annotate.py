"""`preannotate annotate`: on image files, or on a task of CVAT."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from preannotate.cli.arguments import (
    add_function,
    add_json,
    add_login,
    add_overwrite,
    add_threshold,
    add_workers,
    cvat_server,
)
from preannotate.cli.command import Command
from preannotate.core.errors import UsageError
from preannotate.core.text import plural

if TYPE_CHECKING:
    from preannotate.annotation.annotate_task import TaskAnnotationResult
    from preannotate.cvat.server import Server

# Options that only make sense with images, or only with a task.
_FOR_IMAGES = ("images", "overlay", "export", "json", "overwrite")
_FOR_TASKS = ("confidence_attribute", "annotated_frames")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_function(parser)
    add = parser.add_argument
    add("images", type=Path, nargs="*", metavar="IMAGE", help="image files or folders of images")
    add_threshold(parser, "the function's own")
    add_workers(parser, "number of processes (default: one for each core, if there are many images)")
    add("--overlay", type=Path, metavar="DIR", help="write copies of the images with the detections drawn in")
    add("--export", nargs=2, metavar=("FORMAT", "FILE"), help="write annotations; FORMAT is coco or cvat-images")
    add_overwrite(parser, "existing files of --overlay and --export")
    add_json(parser)
    add("--task", type=int, metavar="ID", help="annotate the frames of a CVAT task that have no annotations yet")
    add("--confidence-attribute", metavar="NAME", help="with --task: number attribute that gets the score")
    add("--annotated-frames", action="store_true", help="with --task: also annotate frames with annotations")
    add_login(parser)


def _run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    return _annotate_images(arguments) if arguments.task is None else _annotate_task(arguments)


def _check(arguments: argparse.Namespace) -> None:
    """Refuse options of images with a task, and those of a task without one."""
    with_task = arguments.task is not None
    wrong = [name for name in (_FOR_IMAGES if with_task else _FOR_TASKS) if getattr(arguments, name)]
    if wrong:
        shown = "IMAGE" if wrong[0] == "images" else f"--{wrong[0].replace('_', '-')}"
        problem = "given with --task; expected a task without it" if with_task else "given without --task; expected one"
        raise UsageError(f"{shown}: {problem}. See `preannotate annotate --help`.")


def _annotate_images(arguments: argparse.Namespace) -> int:
    from builder.function_directory import FunctionDirectory
    from preannotate.annotation.annotate_images import annotate_images
    from preannotate.inference.images import UnreadableImage, as_json, as_table

    function = FunctionDirectory.open(arguments.function)
    results, labels = annotate_images(
        function.path,
        arguments.images,
        threshold=arguments.threshold,
        workers=arguments.workers,
        overlay=arguments.overlay,
        export=(arguments.export[0], Path(arguments.export[1])) if arguments.export else None,
        overwrite=arguments.overwrite,
    )
    text = as_json(str(arguments.function), labels, results) if arguments.json else as_table(results)
    # File names may hold anything; the terminal shows what it can.
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))
    return int(any(isinstance(result, UnreadableImage) for result in results))


def _annotate_task(arguments: argparse.Namespace) -> int:
    from builder.function_directory import FunctionDirectory

    function = FunctionDirectory.open(arguments.function)
    with cvat_server(arguments) as server:
        from preannotate.annotation.annotate_task import AnnotationOptions, annotate_task

        options = AnnotationOptions(
            arguments.threshold, arguments.workers, arguments.confidence_attribute, arguments.annotated_frames
        )
        result = annotate_task(server, arguments.task, function.path, options)
        print(_summary(result, server, arguments.task))
    return int(bool(result.unreadable))


def _summary(result: "TaskAnnotationResult", server: "Server", task: int) -> str:
    lines = [
        f"task {task} of {server.url}: {plural(result.frames, 'frame')} annotated with "
        f"{plural(result.boxes, 'object')}, nothing detected on {result.empty}"
    ]
    lines += [f"left out: {plural(count, 'frame')} {reason}" for reason, count in result.left_out.items()]
    lines += [f"not readable: frame {frame}: {reason}" for frame, reason in result.unreadable.items()]
    lines += [f"note: {note}" for note in (*server.notes, *result.notes)]
    return "\n".join(lines)


COMMAND = Command("annotate", "run a function on images, or on a CVAT task", _add_arguments, _run)
