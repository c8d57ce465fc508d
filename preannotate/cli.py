"""`preannotate`: the commands of the trainer and the builder, and those that need both.

Exit codes: 0 done; 1 a check failed; 2 it could not run (one sentence, no traceback); 130 interrupted.
Everything heavy is imported inside the branch that needs it: `--help` answers at once.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import builder.cli
import preannotate.loop.cli
import trainer.cli
from builder.errors import BuildError
from preannotate.cvat.arguments import add_login_arguments, login_of
from preannotate.errors import PreannotateError
from runtime.errors import FunctionError
from trainer.errors import TrainerError

AddArguments = Callable[[argparse.ArgumentParser], None]
Run = Callable[[argparse.Namespace], int]

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


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `import`."""
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="ONNX file, OpenVINO IR (.xml), or SavedModel of the TF OD API")
    add("--labels", type=Path, metavar="FILE", required=True, help="names of its classes: one a line, JSON, or .pbtxt")
    add("--name", help="of the run and the function (default: the model's)")
    add("--output", type=Path, metavar="DIR", default=Path("runs"), help="default: runs")
    add(
        "--images",
        type=Path,
        nargs="+",
        default=[],
        metavar="EXPORT",
        help="what to prove it on: annotated exports, or folders of photos (default: drawn scenes)",
    )
    add("--adapter", metavar="A", help="what its outputs mean (default: the one that fits; docs/importing.md)")
    add("--image-size", metavar="WxH", help="of the input, where the model leaves it open")
    add("--channels", choices=("rgb", "bgr"), help="order of the channels (default: the adapter's)")
    add("--mean", metavar="M", help="subtracted from each channel: one number, or three as in 123.7,116.3,103.5")
    add("--scale", metavar="S", help="then divided by: the same")
    add("--first-class", type=int, choices=(0, 1), help="number of the first label (default: the adapter's)")
    add(
        "--threshold",
        type=float,
        metavar="T",
        help="score from which a detection counts (default: chosen by annotations, or the adapter's)",
    )
    add("--iou-threshold", type=float, metavar="T", default=0.5, help="of the suppression (default: 0.5)")
    add("--licence", default="", metavar="TEXT", help="of the model; kept in model.json")
    add("--origin", default="", metavar="TEXT", help="where the model is from; kept in model.json")
    add("--overwrite", action="store_true", help="replace an earlier import of that name")
    add("--json", action="store_true", help="print the result as JSON")


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `serve`."""
    add = parser.add_argument
    add(
        "functions",
        type=Path,
        metavar="FUNCTIONS",
        help="folder of function directories, watched for changes",
    )
    add("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine only")
    add("--port", type=int, default=8070, help="default: 8070, where CVAT looks for nuclio")
    add("--workers", type=int, help="processes for each function (default: as in its function.yaml)")
    add("--gpus", metavar="LIST", help="serve the GPU variants, with one worker for each GPU of LIST, as in 0,1")
    add("--token-file", type=Path, metavar="FILE", help="ask callers for the token in FILE (or in PREANNOTATE_TOKEN)")
    add("--token", help="the same on the command line, where every user of this machine can read it")


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


def add_studio_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `studio`."""
    add = parser.add_argument
    add("--workspace", type=Path, default=Path("workspace"), metavar="DIR", help="of models (default: workspace)")
    add("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine only; beyond it a token is needed")
    add("--port", type=int, default=8095, help="default: 8095; 0 takes a free one")
    add("--token-file", type=Path, metavar="FILE", help="ask for the token in FILE (or in PREANNOTATE_STUDIO_TOKEN)")
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name by which the studio is called, such as a proxy's; may be given several times",
    )
    add("--no-browser", action="store_true", help="open no browser")


def add_draw_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `draw`."""
    parser.add_argument("output", type=Path, metavar="EXPORT", help="zip or folder to write")
    parser.add_argument("--images", type=int, default=40, help="how many (default: 40)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other images (default: 0)")


def add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `demo`."""
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder to work in (default: demo)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training (default: 5)")


def add_doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `doctor`."""
    add = parser.add_argument
    add("functions", type=Path, nargs="*", metavar="FUNCTION", help="functions/NAME, or a folder of them")
    add("--nuclio", metavar="URL", help="nuclio's dashboard, or `preannotate serve`")
    add("--cvat", metavar="URL", help="CVAT; the login comes from CVAT_ACCESS_TOKEN")
    add("--task", type=int, metavar="ID", help="with --cvat: call the functions on a frame of this task")
    add("--frame", type=int, default=0, metavar="N", help="of that task (default: 0)")
    add("--gpu", action="store_true", help="also look at the GPU and at GPU variants")
    add("--json", action="store_true", help="print the findings as JSON")


def add_pull_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pull`."""
    add = parser.add_argument
    for name in ("task", "project", "job"):
        add(f"--{name}", type=int, action="append", default=[], metavar="ID", help="may be given several times")
    add("--output", type=Path, required=True, metavar="DIR", help="new folder, or an earlier pull to bring up to date")
    add("--completed-jobs", action="store_true", help="only frames of jobs whose state is completed")
    add("--include-auto", action="store_true", help="also frames with nothing but unchanged automatic shapes")
    add("--accept-completed", action="store_true", help="automatic shapes of completed jobs count as checked by people")
    add("--json", action="store_true", help="print source.json instead of words")
    add_login_arguments(parser)


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `train`: the trainer's, and one that is none of its business."""
    trainer.cli.add_train_arguments(parser)
    parser.add_argument("--notify", action="store_true", help="tell when it has ended; `preannotate notify` says whom")


def add_watch_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `watch`."""
    add = parser.add_argument
    add("--workspace", type=Path, default=Path("workspace"), metavar="DIR", help="of `run` (default: workspace)")
    add("--name", required=True, help="of the model, which `run` has made before")
    add("--every", default="10m", metavar="TIME", help="between two looks at CVAT, as in 30s, 10m (default) or 1h")
    add("--new-jobs", type=int, default=1, metavar="N", help="completed jobs that are worth a training (default: 1)")
    add("--quiet-minutes", type=float, metavar="M", help="without a change before it begins (default: 5; --once: 0)")
    add("--listen", metavar="HOST:PORT", help="also take CVAT's webhooks, so that it need not wait for a look")
    add("--secret-file", type=Path, metavar="FILE", help="secret of the webhook (or PREANNOTATE_CVAT_WEBHOOK_SECRET)")
    add("--register", metavar="URL", help="make the webhook in CVAT; URL is where CVAT finds this machine's --listen")
    add("--once", action="store_true", help="look once, run if it is worth it, and end: for cron")
    add("--annotate-rest", action="store_true", help="as in `run`")
    add("--notify", action="store_true", help="tell how a run ended; `preannotate notify` says whom")
    add_login_arguments(parser)


def add_review_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `review`."""
    add = parser.add_argument
    add("--cvat-task", type=int, required=True, metavar="ID", help="task with annotations")
    add("--function", type=Path, required=True, metavar="FUNCTION", help="functions/NAME")
    add("--top", type=int, default=50, metavar="N", help="how many go on the page and become issues (default: 50)")
    add("--output", type=Path, metavar="DIR", help="folder for results (default: task-ID)")
    add("--completed-jobs", action="store_true", help="only frames of jobs whose state is completed")
    add("--issues", action="store_true", help="also make issues in CVAT, each once")
    add("--run", type=Path, metavar="RUN", help="runs/NAME of the function: tells frames that it was trained on")
    add("--workers", type=int, help="processes that share the work (default: one for each core)")
    add("--json", action="store_true", help="print review.json instead of a table")
    add_login_arguments(parser)


def add_notify_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `notify`."""
    add = parser.add_argument
    add("--test", action="store_true", help="send a message to all who would be told")
    add("--picture", type=Path, metavar="FILE", help="with --test: an image that goes with it")


def add_rank_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rank`."""
    add = parser.add_argument
    add("--cvat-task", type=int, required=True, metavar="ID", help="task with frames that have no annotations yet")
    add("--function", type=Path, required=True, metavar="FUNCTION", help="functions/NAME")
    add("--top", type=int, default=50, metavar="N", help="how many frames to choose (default: 50)")
    add("--output", type=Path, metavar="DIR", help="folder for results (default: task-ID)")
    add("--create-task", metavar="NAME", help="also make a new task of the chosen frames, once")
    add("--workers", type=int, help="processes that share the work (default: one for each core)")
    add("--json", action="store_true", help="print ranking.json instead of a table")
    add_login_arguments(parser)


def run_evaluate(arguments: argparse.Namespace) -> int:
    """COCO mAP of what will be served; returns the exit code."""
    from preannotate.evaluate import run

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
    from preannotate.report import run

    return run(arguments.run, costs=arguments.costs, output=arguments.html, function=arguments.function)


def run_import(arguments: argparse.Namespace) -> int:
    """Import a model; returns the exit code."""
    from preannotate.importing.command import run

    options = ("adapter", "image_size", "channels", "mean", "scale", "first_class", "threshold", "iou_threshold")
    return run(
        arguments.model,
        arguments.labels,
        name=arguments.name,
        output=arguments.output,
        images=arguments.images,
        options={key: getattr(arguments, key) for key in (*options, "licence", "origin")},
        overwrite=arguments.overwrite,
        as_json=arguments.json,
    )


def run_serve(arguments: argparse.Namespace) -> int:
    """Serve functions until stopped; returns the exit code."""
    from preannotate.serve.command import run

    return run(
        arguments.functions,
        arguments.host,
        arguments.port,
        arguments.workers,
        gpus=arguments.gpus,
        token=arguments.token,
        token_file=arguments.token_file,
    )


def run_annotate(arguments: argparse.Namespace) -> int:
    """Annotate images, or the frames of a task; returns the exit code."""
    from preannotate.annotate.command import run
    from preannotate.annotate.errors import AnnotateError

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
    from preannotate.annotate.errors import AnnotateError
    from preannotate.cvat.command import run_annotate as run

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


def run_pull(arguments: argparse.Namespace) -> int:
    """Bring annotated frames from CVAT; returns the exit code."""
    from preannotate.cvat.command import run_pull as run

    return run(
        arguments.output,
        tasks=arguments.task,
        projects=arguments.project,
        jobs=arguments.job,
        completed_jobs=arguments.completed_jobs,
        include_auto=arguments.include_auto,
        accept_completed=arguments.accept_completed,
        as_json=arguments.json,
        **login_of(arguments),
    )


def run_rank(arguments: argparse.Namespace) -> int:
    """Say which frames to annotate next; returns the exit code."""
    from preannotate.ranking.command import run_rank as run

    return run(
        arguments.cvat_task,
        arguments.function,
        output=arguments.output,
        top=arguments.top,
        create_task=arguments.create_task,
        workers=arguments.workers,
        as_json=arguments.json,
        **login_of(arguments),
    )


def run_studio(arguments: argparse.Namespace) -> int:
    """Serve the studio until stopped; returns the exit code."""
    from preannotate.studio.web.command import run

    return run(
        arguments.workspace,
        arguments.host,
        arguments.port,
        token_file=arguments.token_file,
        allowed=arguments.allow_host,
        browser=not arguments.no_browser,
    )


def run_review(arguments: argparse.Namespace) -> int:
    """Say where a model and people disagree; returns the exit code."""
    from preannotate.review.command import run_review as run

    return run(
        arguments.cvat_task,
        arguments.function,
        output=arguments.output,
        completed_jobs=arguments.completed_jobs,
        issues=arguments.issues,
        top=arguments.top,
        run=arguments.run,
        workers=arguments.workers,
        as_json=arguments.json,
        **login_of(arguments),
    )


def run_draw(arguments: argparse.Namespace) -> int:
    """Draw annotated scenes; returns the exit code."""
    from preannotate.scenes import write_export

    write_export(arguments.output, arguments.images, arguments.seed)
    print(f"{arguments.images} images in {arguments.output}")
    return 0


def run_demo(arguments: argparse.Namespace) -> int:
    """Show the whole job; returns the exit code."""
    from preannotate.demo import run

    return run(arguments.output, minutes=arguments.minutes)


def run_doctor(arguments: argparse.Namespace) -> int:
    """Say what is wrong and what helps; returns the exit code."""
    from preannotate.doctor.command import Options, run

    options = Options(
        tuple(arguments.functions), arguments.cvat, arguments.nuclio, arguments.task, arguments.frame, arguments.gpu
    )
    return run(options, as_json=arguments.json)


def run_train(arguments: argparse.Namespace) -> int:
    """Train or resume, and tell if it is wanted; returns the exit code."""
    from preannotate.notify.training import run

    return run(trainer.cli.run_train, arguments)


def run_watch(arguments: argparse.Namespace) -> int:
    """Train again when jobs are completed, until stopped; returns the exit code."""
    from preannotate.watch.command import Options, run

    names = ("workspace", "name", "every", "new_jobs", "quiet_minutes", "listen", "secret_file", "register", "once")
    chosen = {name: getattr(arguments, name) for name in (*names, "annotate_rest", "notify")}
    return run(Options(**chosen, login=login_of(arguments)))


def run_notify(arguments: argparse.Namespace) -> int:
    """Say whom --notify tells, or try it; returns the exit code."""
    from preannotate.notify.command import run

    return run(test=arguments.test, picture=arguments.picture)


# name: (help, add_arguments, run)
COMMANDS: dict[str, tuple[str, AddArguments, Run]] = {
    "pull": ("bring annotated frames out of CVAT's tasks", add_pull_arguments, run_pull),
    **preannotate.loop.cli.COMMANDS,
    **trainer.cli.COMMANDS,
    "train": (trainer.cli.COMMANDS["train"][0], add_train_arguments, run_train),
    "import": ("take somebody else's detector as if it had been trained here", add_import_arguments, run_import),
    "evaluate": ("COCO mAP of what will be served", add_evaluate_arguments, run_evaluate),
    "report": ("a page that says what a run has become", add_report_arguments, run_report),
    **builder.cli.COMMANDS,
    "studio": ("a page on which models are made with a few clicks", add_studio_arguments, run_studio),
    "serve": ("serve functions to CVAT, without Docker or nuclio", add_serve_arguments, run_serve),
    "annotate": ("run a function on image files or on a task of CVAT", add_annotate_arguments, run_annotate),
    "rank": ("say which frames of a task to annotate next", add_rank_arguments, run_rank),
    "review": ("say where a model and the annotations of a task disagree", add_review_arguments, run_review),
    "doctor": ("say why no model shows or answers, and what helps", add_doctor_arguments, run_doctor),
    "watch": ("train again by itself when jobs are completed", add_watch_arguments, run_watch),
    "notify": ("say whom --notify tells, and try it", add_notify_arguments, run_notify),
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
