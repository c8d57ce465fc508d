"""The command `annotate`: its arguments, and who does it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from preannotate.cli.command import Commands
from preannotate.cli.login_arguments import add_login_arguments, login_of


def add_annotate_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `annotate`."""
    add = parser.add_argument
    add("function", type=Path, nargs="?", metavar="FUNCTION", help="functions/NAME")
    add("images", type=Path, nargs="*", metavar="IMAGE", help="image files or folders of them")
    add("--function", type=Path, dest="named_function", metavar="FUNCTION", help="the same as the first argument")
    add("--overlay", type=Path, metavar="DIR", help="also draw what was found")
    add("--threshold", type=float, metavar="T", help="least score, in [0, 1] (default: chosen in training)")
    add("--export", nargs=2, metavar=("FORMAT", "OUT"), help="coco or cvat, and the file to write")
    add("--overwrite", action="store_true", help="replace OUT")
    add(
        "--workers",
        type=int,
        help="processes that share the work (default: one for each core, if there are many images)",
    )
    add("--json", action="store_true", help="print what was found as JSON")
    add("--cvat-task", type=int, metavar="ID", help="annotate the frames of a task that have no annotations yet")
    add("--confidence-attribute", metavar="NAME", help="with --cvat-task: number attribute that keeps the score")
    add("--annotated-frames", action="store_true", help="with --cvat-task: add boxes to annotated frames, too")
    add_login_arguments(parser)


def run_annotate(arguments: argparse.Namespace) -> int:
    """Annotate images, or the frames of a task; returns the exit code."""
    from preannotate.annotation.command import run
    from preannotate.inference.errors import AnnotateError

    function, images = arguments.function, arguments.images
    if arguments.named_function is not None:
        function, images = arguments.named_function, [*filter(None, [function]), *images]
    if function is None:
        raise AnnotateError("annotate: no function named; expected functions/NAME.")
    if arguments.cvat_task is not None:
        return _run_annotate_task(function, images, arguments)
    if arguments.confidence_attribute is not None or arguments.annotated_frames:
        raise AnnotateError(
            "--confidence-attribute and --annotated-frames: without --cvat-task; expected the number of a task."
        )
    return run(
        function,
        images,
        overlay=arguments.overlay,
        threshold=arguments.threshold,
        export=(arguments.export[0], Path(arguments.export[1])) if arguments.export else None,
        as_json=arguments.json,
        overwrite=arguments.overwrite,
        workers=arguments.workers,
    )


def _run_annotate_task(function: Path, images: Sequence[Path], arguments: argparse.Namespace) -> int:
    from preannotate.annotation.cvat_command import run_annotate as run
    from preannotate.inference.errors import AnnotateError

    if images or arguments.overlay or arguments.export or arguments.json:
        raise AnnotateError(
            "--cvat-task: with images, --overlay, --export or --json; expected a task alone. Leave the others out."
        )
    return run(
        arguments.cvat_task,
        function,
        threshold=arguments.threshold,
        workers=arguments.workers,
        confidence=arguments.confidence_attribute,
        annotated_too=arguments.annotated_frames,
        **login_of(arguments),
    )


COMMANDS: Commands = {
    "annotate": ("run a function on image files or on a task of CVAT", add_annotate_arguments, run_annotate),
}
