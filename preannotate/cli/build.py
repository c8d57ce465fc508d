"""`preannotate build` and `check`: both end with the proof that a function detects what the trained network does."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from preannotate.cli.arguments import add_function, add_json, add_overwrite
from preannotate.cli.command import Command
from preannotate.core.text import format_scores

if TYPE_CHECKING:
    from builder.function_directory import Proof

CHECK_FAILED = 1


def _add_build_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", type=Path, help="folder of a finished training, such as runs/NAME, or its export")
    add("--name", help="name of the function (default: the run's)")
    add("--output", metavar="DIR", type=Path, default=Path("functions"), help="folder of functions "
        "(default: functions)")  # fmt: skip
    add_overwrite(parser, "an existing function of that name")
    add(
        "--precision",
        choices=("fp16", "int8"),
        default="fp16",
        help="number format of the CPU variant (default: fp16); int8 is used if it costs at most one point of mAP50",
    )
    add_json(parser)


def _run_build(arguments: argparse.Namespace) -> int:
    from builder.build import build

    result = build(
        arguments.run,
        arguments.output,
        name=arguments.name,
        overwrite=arguments.overwrite,
        precision=arguments.precision,
        progress=_show_step,
    )
    content = {"name": result.name, "directory": str(result.directory), **result.proof.to_json()}
    _print(content, result.proof, as_json=arguments.json)
    return 0


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    add_function(parser)
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="verify the files as they are now, even if they were changed after they had been verified",
    )
    add_json(parser)


def _run_check(arguments: argparse.Namespace) -> int:
    from builder.check import check
    from builder.function_directory import FunctionDirectory

    proof = check(arguments.function, accept_changes=arguments.accept_changes)
    directory = FunctionDirectory.open(arguments.function).path
    _print({"directory": str(directory), **proof.to_json()}, proof, as_json=arguments.json)
    return CHECK_FAILED if proof.problems else 0


def _show_step(step: str) -> None:
    print(f"{step} …", file=sys.stderr)


def _print(content: dict[str, Any], proof: "Proof", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(content, indent=2, ensure_ascii=False))
        return
    print(f"{content['directory']}: {content['verdict']}")
    for problem in proof.problems:
        print(f"  problem: {problem}")
    for note in proof.notes:
        print(f"  note: {note}")
    if proof.figures:
        if "requested" in proof.figures["precision"]:
            from builder.precision import PrecisionResult, describe_precision

            print(f"  {describe_precision(cast(PrecisionResult, proof.figures['precision']))}")
        print(f"  on {proof.figures['images']} frozen images with {proof.figures['boxes']} annotated boxes:")
        for artefact, scores in proof.figures["scores"].items():
            print(f"    {artefact:12} {format_scores(scores['map50'], scores['mean_ap'], 4)}")
            if "mask_map50" in scores:
                print(f"    {'':12} masks: {format_scores(scores['mask_map50'], scores['mask_mean_ap'], 4)}")
        for pair, difference in proof.figures["differences"].items():
            print(
                f"    {pair}: {difference['unmatched']} of {difference['detections']} unmatched, "
                f"at most {difference['largest_box']:.3g} pixels "
                f"and {difference['largest_score']:.2g} of the score apart{_masks(difference)}"
            )


def _masks(difference: Mapping[str, float]) -> str:
    median = difference.get("median_mask_iou")
    return "" if median is None else f", masks with a median IoU of {median:.4f}"


COMMANDS = (
    Command("build", "turn a trained model into a function, and verify it", _add_build_arguments, _run_build),
    Command("check", "verify that a function detects what the trained model does", _add_check_arguments, _run_check),
)
