"""`build` and `check`, for `python -m builder` and for `preannotate`, which mounts the same COMMANDS.

Exit codes: 0 done; 1 the function was checked and is not what was trained; 2 it could not run.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.check import Report

AddArguments = Callable[[argparse.ArgumentParser], None]
Run = Callable[[argparse.Namespace], int]

CHECK_FAILED = 1
COULD_NOT_RUN = 2


def add_build_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `build`."""
    parser.add_argument("run", metavar="RUN", type=Path, help="run directory (runs/NAME) or its export directory")
    parser.add_argument("--name", help="name of the function (default: the run's)")
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path("functions"), help="default: functions")
    parser.add_argument("--overwrite", action="store_true", help="replace a function of that name")
    parser.add_argument(
        "--precision",
        choices=("fp16", "int8"),
        default="fp16",
        help="of the CPU variant; int8 is kept if it costs at most one point of mAP50 (default: fp16)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `check`."""
    parser.add_argument("function", metavar="FUNCTION", type=Path, help="functions/NAME")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run_build(arguments: argparse.Namespace) -> int:
    """Build a function directory; returns the exit code."""
    from builder.build import build

    def work() -> int:
        result = build(
            arguments.run,
            arguments.output,
            name=arguments.name,
            overwrite=arguments.overwrite,
            precision=arguments.precision,
            progress=_say,
        )
        content = {"name": result.name, "directory": str(result.directory), **result.report.to_json()}
        _print(content, result.report, as_json=arguments.json)
        return 0

    return _guarded(work)


def run_check(arguments: argparse.Namespace) -> int:
    """Check a function directory; returns the exit code."""
    from builder.check import check

    def work() -> int:
        report = check(arguments.function)
        _print({"directory": str(report.directory), **report.to_json()}, report, as_json=arguments.json)
        return 0 if report.ok else CHECK_FAILED

    return _guarded(work)


# name: (help, add_arguments, run)
COMMANDS: dict[str, tuple[str, AddArguments, Run]] = {
    "build": ("turn a trained model into a function directory, and prove it", add_build_arguments, run_build),
    "check": ("prove that a function directory answers as the trained model", add_check_arguments, run_check),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m builder`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m builder", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (text, add_arguments, run) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        add_arguments(command)
        command.set_defaults(run_command=run)
    parsed = parser.parse_args(arguments)
    return parsed.run_command(parsed)


def _guarded(work: Callable[[], int]) -> int:
    """Say our own errors and those of the file system in one sentence; anything else is a bug."""
    from builder.errors import BuildError, CheckFailed
    from runtime.errors import FunctionError

    try:
        return work()
    except (BuildError, FunctionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return CHECK_FAILED if isinstance(error, CheckFailed) else COULD_NOT_RUN


def _say(step: str) -> None:
    print(f"{step} …", file=sys.stderr)


def _print(content: dict[str, Any], report: "Report", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(content, indent=2, ensure_ascii=False))
        return
    print(f"{content['directory']}: {content['verdict']}")
    for problem in report.problems:
        print(f"  problem: {problem}")
    for note in report.notes:
        print(f"  note: {note}")
    if report.figures:
        if "asked" in report.figures["precision"]:
            from builder.precision import describe

            print(f"  {describe(report.figures['precision'])}")
        print(f"  on {report.figures['images']} frozen images with {report.figures['boxes']} annotated boxes:")
        for artefact, scores in report.figures["scores"].items():
            print(f"    {artefact:12} mAP50 {scores['map50']:.4f}   mAP {scores['mean_ap']:.4f}")
        for pair, difference in report.figures["differences"].items():
            print(
                f"    {pair}: {difference['unmatched']} of {difference['detections']} unmatched, "
                f"at most {difference['largest_box']:.3g} pixels "
                f"and {difference['largest_score']:.2g} of the score apart"
            )
