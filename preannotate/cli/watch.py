"""`preannotate watch`."""

import argparse
from pathlib import Path

from preannotate.cli.arguments import add_login, add_notify, add_workspace
from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_workspace(parser)
    add("--name", required=True, help="name of a model that `run` has trained before")
    add("--every", default="10m", metavar="TIME", help="polling interval, such as 30s or 1h (default: 10m)")
    add("--new-jobs", type=int, default=1, metavar="N", help="completed jobs that start a training (default: 1)")
    add("--quiet-minutes", type=float, metavar="M", help="minutes without changes before it starts (default: 5; "
        "with --once: 0)")  # fmt: skip
    add("--listen", metavar="HOST:PORT", help="also receive CVAT's webhooks, to react before the next poll")
    add("--secret-file", type=Path, metavar="FILE", help="file with the secret of the webhook "
        "(or PREANNOTATE_CVAT_WEBHOOK_SECRET)")  # fmt: skip
    add("--register", metavar="URL", help="create the webhook in CVAT; URL is how CVAT reaches --listen")
    add("--once", action="store_true", help="poll once, train if needed, and end; for cron")
    add("--annotate-rest", action="store_true", help="as in `run`")
    add_notify(parser)
    add_login(parser)


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.jobs.watch_command import WatchOptions, run
    from preannotate.pipeline.run_request import CvatAccess

    access = CvatAccess(
        cvat=arguments.cvat,
        user=arguments.auth,
        profile=arguments.profile,
        organization=arguments.organization,
        insecure=arguments.insecure,
    )
    return run(
        WatchOptions(
            workspace=arguments.workspace,
            name=arguments.name,
            every=arguments.every,
            new_jobs=arguments.new_jobs,
            quiet_minutes=arguments.quiet_minutes,
            listen=arguments.listen,
            secret_file=arguments.secret_file,
            register=arguments.register,
            once=arguments.once,
            annotate_rest=arguments.annotate_rest,
            notify=arguments.notify,
            access=access,
        )
    )


COMMAND = Command("watch", "train again when jobs are completed in CVAT", _add_arguments, _run)
