"""`preannotate report`."""

import argparse
from pathlib import Path

from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="folder of a finished training, such as runs/NAME")
    add(
        "--costs",
        metavar="A=1,B=2",
        help="seconds that an annotator needs: draw, delete, adjust, relabel and check for a box, draw_outline and "
        "adjust_outline for an outline, such as draw=25,delete=3; the thresholds of the run are chosen again for them",
    )
    add("--function", type=Path, metavar="FUNCTION", help="function built from the run; adds its proof and its speed")
    add("--output", type=Path, metavar="FILE", help="HTML file to write (default: RUN/report.html)")


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.model_evaluation.report import write_report

    return write_report(arguments.run, costs=arguments.costs, output=arguments.output, function=arguments.function)


COMMAND = Command("report", "write the HTML report of a run", _add_arguments, _run)
