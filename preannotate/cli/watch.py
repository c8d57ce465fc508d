"""The command `watch`: its arguments, and who does it."""

import argparse
from pathlib import Path

from preannotate.cli.command import Commands
from preannotate.cli.login_arguments import add_login_arguments, login_of


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


def run_watch(arguments: argparse.Namespace) -> int:
    """Train again when jobs are completed, until stopped; returns the exit code."""
    from preannotate.jobs.watch_command import Options, run

    names = ("workspace", "name", "every", "new_jobs", "quiet_minutes", "listen", "secret_file", "register", "once")
    chosen = {name: getattr(arguments, name) for name in (*names, "annotate_rest", "notify")}
    return run(Options(**chosen, login=login_of(arguments)))


COMMANDS: Commands = {
    "watch": ("train again by itself when jobs are completed", add_watch_arguments, run_watch),
}
