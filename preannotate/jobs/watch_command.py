"""`preannotate watch`: checks everything before it starts, then watches until it is stopped."""

import asyncio
import contextlib
import getpass
import importlib.util
import logging
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from preannotate.core.errors import PreannotateError
from preannotate.core.http import LOOPBACK_NAMES, server_url
from preannotate.core.locks import file_lock
from preannotate.core.secrets import SharedSecret
from preannotate.core.terminal import log_to_stderr
from preannotate.core.text import parse_duration
from preannotate.jobs.database import Database
from preannotate.jobs.errors import WatchError
from preannotate.jobs.queue import Run, RunQueue, RunSource
from preannotate.jobs.retrain_policy import RetrainPolicy
from preannotate.jobs.supervisor import COMMAND, Supervisor
from preannotate.notifications.delivery import deliver_and_report, describe_recipients
from preannotate.notifications.message import Message
from preannotate.notifications.settings import NotifySettings
from preannotate.pipeline.run_request import CvatAccess, RunRequest, read_run_request
from preannotate.registry.workspace import ModelFolder, Workspace

if TYPE_CHECKING:
    from preannotate.jobs.watcher import Watcher

MIN_EVERY, MAX_EVERY = 5.0, 24 * 3600.0
QUIET_MINUTES = 5.0
SECRET_VARIABLE = "PREANNOTATE_CVAT_WEBHOOK_SECRET"
# CVAT accepts no longer one.
_SECRET_RULE = "16 to 64 letters, digits and signs without spaces"
_SECRET = SharedSecret("secret", "--secret-file", SECRET_VARIABLE, r"[!-~]{16,64}", _SECRET_RULE, WatchError)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class WatchOptions:
    """The command line of `watch`; what to train is in the `run_request.json` of the model.

    Attributes:
        every: Polling interval, as in 10m.
        new_jobs: How many newly completed jobs start a training.
        quiet_minutes: Without another change before it starts; None is 5, with `once` 0.
        listen: HOST:PORT for CVAT's webhooks; None listens to nothing.
        secret_file: With the secret of the webhooks.
        register: Our address as CVAT knows it, to create the webhook with; None creates none.
        once: Poll once.
        annotate_rest: Of the runs; False leaves it as it was in the model's last run.
        notify: Send messages, as the environment says.
        access: Replaces the login of the model's last run where it is given.
    """

    workspace: Path
    name: str
    every: str = "10m"
    new_jobs: int = 1
    quiet_minutes: float | None = None
    listen: str | None = None
    secret_file: Path | None = None
    register: str | None = None
    once: bool = False
    annotate_rest: bool = False
    notify: bool = False
    access: CvatAccess = field(default_factory=CvatAccess)


def run(options: WatchOptions, *, command: Sequence[str] = COMMAND) -> int:
    """Watch until stopped; return the exit code: 0 after a stop by signal, with `once` that of the run.

    Raises:
        PreannotateError: An option is wrong, or another watch works on the model.
    """
    policy = _policy(options)
    address = None if options.listen is None else split_address(options.listen)
    secret = _SECRET.find(options.secret_file)
    _check_receiver(options, address, secret)
    workspace = Workspace(options.workspace.resolve())  # a run has another working directory
    model = workspace.existing(options.name)

    def watched() -> RunRequest:
        return _with_options(watched_request(model), options)

    first = watched()
    settings = NotifySettings.from_environment() if options.notify else NotifySettings()
    _check_packages(address is not None)
    _ask_for_password(first)
    _log_to_stderr()
    for line in describe_recipients(settings):
        _LOG.info("sends messages by %s", line)
    if options.register is not None:
        _register(first, options.register, secret)

    def send(message: Message) -> None:
        if options.notify:
            deliver_and_report(settings, message)

    def may_start(run: Run) -> bool:
        return run.source == RunSource.WATCH and run.model_name == model.name

    from preannotate.jobs.job_poller import JobPoller
    from preannotate.jobs.watcher import Watcher, WatchTask

    task = WatchTask(model, watched, policy, send, options.once)
    busy = f"{model.path}: is watched already; expected no other watch. Stop the other one."
    with file_lock(model.path / ".watch.lock", busy), contextlib.closing(Database(workspace.database)) as database:
        queue = RunQueue(database, workspace)
        supervisor = Supervisor(queue, may_start=may_start, not_inherited=(SECRET_VARIABLE,), command=command)
        watcher = Watcher(task, queue, supervisor, JobPoller(first.login()))
        return asyncio.run(_watch(watcher, _latest(watched, first), address, secret))


def watched_request(model: ModelFolder) -> RunRequest:
    """Return the request of the model's last run: its tasks, projects and jobs are watched.

    Raises:
        WatchError: There was no run.
        FileError, PipelineError: `run_request.json` is damaged.
    """
    request = read_run_request(model.run_request)
    if request is None or not request.names_frames:
        raise WatchError(
            f"{model.path}: never trained; expected an earlier run to repeat. "
            f"Run once: preannotate run --cvat URL --task ID."
        )
    return request


def split_address(text: str) -> tuple[str, int]:
    """Split HOST:PORT, or [HOST]:PORT with an IPv6 address; raises WatchError if `text` is neither."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or port is None or parts.netloc != text or "@" in text:
        raise WatchError(f"--listen: {text!r}; expected HOST:PORT, as in 127.0.0.1:8091 or 0.0.0.0:8091.")
    return host, port


async def _watch(
    watcher: "Watcher", watched: Callable[[], RunRequest], address: tuple[str, int] | None, secret: str
) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if address is None:
        return await watcher.watch(stop)
    from preannotate.jobs.webhook_receiver import PATH, webhook_app
    from preannotate.serving.errors import ServeError
    from preannotate.serving.listener import Listener

    try:
        app = webhook_app(secret=secret, watched=watched, poll_now=watcher.poll_now.set)
        listener = Listener(app, *address)
    except ServeError as error:
        cause = getattr(error.__cause__, "strerror", None) or "it cannot be used"
        raise WatchError(
            f"--listen: {address[0]}:{address[1]}: {cause}; expected a free port of this machine. Choose another."
        ) from error
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    _LOG.info("CVAT's webhooks are received on http://%s:%d%s.", host, listener.port, PATH)
    try:
        return await watcher.watch(stop)
    finally:
        await listener.close()


def _with_options(request: RunRequest, options: WatchOptions) -> RunRequest:
    """Return a request with what the command line of `watch` gives."""
    given = asdict(options.access) | {"annotate_rest": options.annotate_rest}
    return replace(request, **{name: value for name, value in given.items() if value not in (None, False)})


def _latest(watched: Callable[[], RunRequest], first: RunRequest) -> Callable[[], RunRequest]:
    """Return what returns the watched request, or the one before while the file cannot be read."""

    def latest() -> RunRequest:
        nonlocal first
        with contextlib.suppress(PreannotateError):
            first = watched()
        return first

    return latest


def _policy(options: WatchOptions) -> RetrainPolicy:
    every = parse_duration(options.every)
    if every is None or not MIN_EVERY <= every <= MAX_EVERY:
        raise WatchError(f"--every: {options.every!r}; expected 5s to 24h, as in 30s, 10m or 1h30m.")
    if options.new_jobs < 1:
        raise WatchError(f"--new-jobs: {options.new_jobs}; expected a number from 1 on.")
    quiet = options.quiet_minutes
    if quiet is None:
        quiet = 0.0 if options.once else QUIET_MINUTES
    if not 0 <= quiet <= 24 * 60:
        raise WatchError(f"--quiet-minutes: {quiet:g}; expected a number from 0 to 1440.")
    return RetrainPolicy(options.new_jobs, quiet * 60, every)


def _check_receiver(options: WatchOptions, address: tuple[str, int] | None, secret: str) -> None:
    if address is None:
        if options.register is not None or options.secret_file is not None:
            raise WatchError("--register, --secret-file: without --listen; expected HOST:PORT to listen on.")
        return
    if options.once:
        raise WatchError("--listen: with --once, which does not wait; expected one of them. Leave one out.")
    # Not by `serving.listener`, which needs uvicorn.
    if not secret and address[0] not in LOOPBACK_NAMES:
        raise WatchError(
            f"--listen: {options.listen} without a secret, where other machines could start trainings; expected one. "
            f"Put it into a file for --secret-file, or into {SECRET_VARIABLE}."
        )
    if options.register is None:
        return
    if not secret:
        raise WatchError(
            f"--register: without a secret; expected --secret-file or {SECRET_VARIABLE}, for CVAT to sign with."
        )
    server_url("--register", options.register)


def _register(request: RunRequest, url: str, secret: str) -> None:
    """Create the webhooks; a task outside a project has none."""
    from preannotate.cvat.connection import connect
    from preannotate.cvat.server import register_webhook
    from preannotate.jobs.webhook_receiver import PATH

    target = url if urlsplit(url).path.rstrip("/") else url.rstrip("/") + PATH
    server = connect(request.login())
    projects, outside = set(request.projects), []
    tasks = {*request.tasks, *(server.job(number)["task_id"] for number in request.jobs)}
    for number in sorted(tasks):
        project = server.task(number).get("project_id")
        if project is None:
            outside.append(number)
        else:
            projects.add(project)
    for project in sorted(projects):
        number = register_webhook(server, project, url=target, secret=secret)
        _LOG.info("project %d: webhook %d of CVAT notifies %s.", project, number, target)
    if outside:
        _LOG.warning(
            "task %s: in no project, so CVAT cannot send webhooks about it; it is polled as --every says. "
            "Move it into a project to react sooner.",
            ", ".join(map(str, outside)),
        )


def _check_packages(listens: bool) -> None:
    extras = {"cvat_sdk": "cvat", **({"starlette": "serve", "uvicorn": "serve"} if listens else {})}
    missing = [name for name in extras if importlib.util.find_spec(name) is None]
    if missing:
        wanted = ",".join(sorted({extras[name] for name in missing}))
        raise WatchError(
            f"watch: {', '.join(missing)} not installed; expected the packages of the extras {wanted}. "
            f"Run `pip install 'preannotate[{wanted}]'`."
        )


def _ask_for_password(access: CvatAccess) -> None:
    """Ask once, now that somebody may be there; runs inherit it."""
    if access.user and not os.environ.get("PASS"):
        with contextlib.suppress(EOFError, OSError):
            os.environ["PASS"] = getpass.getpass(f"Password for {access.user}: ")


def _log_to_stderr() -> None:
    log_to_stderr()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
