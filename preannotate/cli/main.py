"""`preannotate`: the commands of the trainer and the builder, and those that need both.

Exit codes: 0 done; 1 a check failed; 2 it could not run (one sentence, no traceback); 130 interrupted.
Everything heavy is imported inside the branch that needs it: `--help` answers at once.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import builder.cli
import trainer.cli
from builder.errors import BuildError
from preannotate.cli import annotate as annotate_cli
from preannotate.cli import doctor as doctor_cli
from preannotate.cli import import_model as importing_cli
from preannotate.cli import notify as notify_cli
from preannotate.cli import pull as cvat_cli
from preannotate.cli import rank as ranking_cli
from preannotate.cli import review as review_cli
from preannotate.cli import run as loop_cli
from preannotate.cli import serve as serve_cli
from preannotate.cli import studio as studio_cli
from preannotate.cli import watch as watch_cli
from preannotate.cli.command import Commands
from preannotate.core.errors import PreannotateError
from runtime.errors import FunctionError
from trainer.errors import TrainerError

COULD_NOT_RUN = 2
INTERRUPTED = 130


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `evaluate`."""
    add = parser.add_argument
    add("model", type=Path, metavar="RUN_OR_FUNCTION", help="runs/NAME or functions/NAME")
    add("exports", type=Path, nargs="+", metavar="EXPORT", help="annotated images that the model did not see")
    add("--images", type=Path, metavar="FILE", help="use only the images named in FILE, one a line")
    add("--include-auto", action="store_true", help="count automatic annotations as true")
    add("--negatives", action="store_true", help="frames without annotations show that nothing is there")
    add("--json", action="store_true", help="print the scores as JSON")


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `report`."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="runs/NAME, trained to the end")
    add(
        "--costs",
        metavar="A=1,B=2",
        help="seconds that an annotator needs to draw, delete, adjust, relabel and check a box, such as "
        "draw=25,delete=3; the thresholds are chosen again and written into the run's export",
    )
    add("--html", type=Path, metavar="OUT", help="write the page there (default: RUN/report.html)")
    add("--function", type=Path, metavar="FUNCTION", help="functions/NAME built from the run: show its proof and speed")


def add_draw_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `draw`."""
    parser.add_argument("output", type=Path, metavar="EXPORT", help="zip or folder to write")
    parser.add_argument("--images", type=int, default=40, help="how many (default: 40)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other images (default: 0)")


def add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `demo`."""
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder to work in (default: demo)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training (default: 5)")


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `train`: the trainer's, and one that is none of its business."""
    trainer.cli.add_train_arguments(parser)
    parser.add_argument("--notify", action="store_true", help="tell when it has ended; `preannotate notify` says whom")


def run_evaluate(arguments: argparse.Namespace) -> int:
    """COCO mAP of what will be served; returns the exit code."""
    from preannotate.model_evaluation.evaluate import run

    only = trainer.cli.read_names(arguments.images)
    return run(
        arguments.model,
        arguments.exports,
        only=only,
        include_auto=arguments.include_auto,
        negatives=arguments.negatives,
        as_json=arguments.json,
    )


def run_report(arguments: argparse.Namespace) -> int:
    """Write the page of a run; returns the exit code."""
    from preannotate.model_evaluation.report import run

    return run(arguments.run, costs=arguments.costs, output=arguments.html, function=arguments.function)


def run_draw(arguments: argparse.Namespace) -> int:
    """Draw annotated scenes; returns the exit code."""
    from preannotate.synthetic import write_export

    write_export(arguments.output, arguments.images, arguments.seed)
    print(f"{arguments.images} images in {arguments.output}")
    return 0


def run_demo(arguments: argparse.Namespace) -> int:
    """Show the whole job; returns the exit code."""
    from preannotate.cli.demo import run

    return run(arguments.output, minutes=arguments.minutes)


def run_train(arguments: argparse.Namespace) -> int:
    """Train or resume, and tell if it is wanted; returns the exit code."""
    from preannotate.notifications.training import run

    return run(trainer.cli.run_train, arguments)


COMMANDS: Commands = {
    **cvat_cli.COMMANDS,
    **loop_cli.COMMANDS,
    **trainer.cli.COMMANDS,
    "train": (trainer.cli.COMMANDS["train"][0], add_train_arguments, run_train),
    **importing_cli.COMMANDS,
    "evaluate": ("COCO mAP of what will be served", add_evaluate_arguments, run_evaluate),
    "report": ("a page that says what a run has become", add_report_arguments, run_report),
    **builder.cli.COMMANDS,
    **studio_cli.COMMANDS,
    **serve_cli.COMMANDS,
    **annotate_cli.COMMANDS,
    **ranking_cli.COMMANDS,
    **review_cli.COMMANDS,
    **doctor_cli.COMMANDS,
    **watch_cli.COMMANDS,
    **notify_cli.COMMANDS,
    "draw": ("draw annotated scenes to try things on", add_draw_arguments, run_draw),
    "demo": ("the whole job on drawn images", add_demo_arguments, run_demo),
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="preannotate", description="Train a detector on a few CVAT annotations and get it into CVAT."
    )
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (text, add_arguments, run) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        add_arguments(command)
        command.set_defaults(execute=run)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `preannotate`; returns the exit code."""
    parsed = parser().parse_args(arguments)
    try:
        return parsed.execute(parsed)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (PreannotateError, TrainerError, BuildError, FunctionError, OSError) as error:
        # An OSError is a folder that cannot be written or a port that is taken: no fault of the program either.
        print(f"error: {error}", file=sys.stderr)
        return COULD_NOT_RUN
