"""`preannotate annotate`: on image files, or on a task of CVAT."""

import argparse
from pathlib import Path

from preannotate.cli.arguments import (
    add_function,
    add_json,
    add_login,
    add_overwrite,
    add_threshold,
    add_workers,
    login_of,
)
from preannotate.cli.command import Command
from preannotate.core.errors import PreannotateError

# Options that only make sense with images, or only with a task.
_FOR_IMAGES = ("images", "overlay", "export", "json", "overwrite")
_FOR_TASKS = ("confidence_attribute", "annotated_frames")


class UsageError(PreannotateError, ValueError):
    """Options that do not go together."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_function(parser)
    add = parser.add_argument
    add("images", type=Path, nargs="*", metavar="IMAGE", help="image files or folders of images")
    add_threshold(parser, "the function's own")
    add_workers(parser, "number of processes (default: one for each core, if there are many images)")
    add("--overlay", type=Path, metavar="DIR", help="write copies of the images with the detections drawn in")
    add(
        "--export", nargs=2, metavar=("FORMAT", "FILE"), help="write annotations in FORMAT, such as cvat-images or coco"
    )
    add_overwrite(parser, "existing files of --overlay and --export")
    add_json(parser)
    add("--task", type=int, metavar="ID", help="annotate the frames of a CVAT task that have no annotations yet")
    add("--confidence-attribute", metavar="NAME", help="with --task: number attribute that gets the score")
    add("--annotated-frames", action="store_true", help="with --task: also add boxes to frames with annotations")
    add_login(parser)


def _run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    if arguments.task is not None:
        from preannotate.annotation.cvat_command import run_annotate

        return run_annotate(
            arguments.task,
            arguments.function,
            threshold=arguments.threshold,
            workers=arguments.workers,
            confidence=arguments.confidence_attribute,
            annotated_too=arguments.annotated_frames,
            login=login_of(arguments),
        )
    from preannotate.annotation.annotate_images import run

    return run(
        arguments.function,
        arguments.images,
        overlay=arguments.overlay,
        threshold=arguments.threshold,
        export=(arguments.export[0], Path(arguments.export[1])) if arguments.export else None,
        as_json=arguments.json,
        overwrite=arguments.overwrite,
        workers=arguments.workers,
    )


def _check(arguments: argparse.Namespace) -> None:
    """Refuse options of images with a task, and those of a task without one."""
    with_task = arguments.task is not None
    wrong = [name for name in (_FOR_IMAGES if with_task else _FOR_TASKS) if getattr(arguments, name)]
    if wrong:
        shown = "IMAGE" if wrong[0] == "images" else f"--{wrong[0].replace('_', '-')}"
        problem = "given with --task; expected a task without it" if with_task else "given without --task; expected one"
        raise UsageError(f"{shown}: {problem}. See `preannotate annotate --help`.")


COMMAND = Command("annotate", "run a function on images, or on a CVAT task", _add_arguments, _run)
