"""`preannotate watch`: checks everything before it begins, then watches until it is stopped."""

import asyncio
import contextlib
import fcntl
import getpass
import importlib.util
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from preannotate.core.durations import seconds
from preannotate.core.errors import PreannotateError
from preannotate.jobs.errors import WatchError
from preannotate.jobs.retrain_policy import RetrainPolicy
from preannotate.jobs.watched_jobs import WatchedJobs, read_asked
from preannotate.jobs.webhook_secret import VARIABLE, find_secret
from preannotate.notifications.command import described, tell
from preannotate.notifications.message import Message
from preannotate.notifications.settings import NotifySettings
from preannotate.registry.workspace import ModelFolder, Workspace

SHORTEST_EVERY, LONGEST_EVERY = 5.0, 24 * 3600.0
QUIET_MINUTES = 5.0
_LOG = logging.getLogger(__name__)
# Names of login settings, and the flags of `run`.
_FLAGS = {"url": "--cvat", "user": "--auth", "profile": "--profile", "organization": "--organization"}


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        workspace: Folder.
        name: Of the model.
        every: Between two looks at CVAT, as in 10m.
        new_jobs: How many are worth a training.
        quiet_minutes: Without another change before it begins; None takes 5, with `once` 0.
        listen: HOST:PORT for CVAT's webhooks; None listens to nothing.
        secret_file: Holds the secret of the webhooks.
        register: Our address as CVAT knows it, to make the webhook with; None makes none.
        once: Look once.
        annotate_rest: Handed on to `run`.
        notify: Tell whoever the environment names.
        login: As in `cvat.login.Login`, where it differs from `asked.json`.
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
    login: dict[str, Any] | None = None


def run(options: Options, *, program: tuple[str, ...] = (sys.executable, "-m", "preannotate")) -> int:
    """Watch until stopped; returns the exit code: 0 after a stop by signal, with `once` that of the run.

    Args:
        options: The user's.
        program: Begins the command of a run.

    Raises:
        PreannotateError: Something is set wrong, or another watch is at work.
    """
    policy = _policy(options)
    address = None if options.listen is None else split_address(options.listen)
    secret = find_secret(options.secret_file)
    _check_receiver(options, address, secret)
    model = Workspace(options.workspace).existing(options.name)
    watched, login = read_asked(model)
    login |= {name: value for name, value in (options.login or {}).items() if value not in (None, False)}
    settings = NotifySettings.from_environment() if options.notify else NotifySettings()
    _check_packages(address is not None)
    _ask_for_the_password(login)
    _log_to_stderr()
    for line in described(settings):
        _LOG.info("tells by %s", line)
    if options.register is not None:
        _register(login, watched, options.register, secret)

    def told(message: Message) -> None:
        if options.notify:
            tell(settings, message)

    from preannotate.jobs.job_poller import JobPoller
    from preannotate.jobs.watcher import Task, Watcher

    def asked() -> WatchedJobs:
        return read_asked(model)[0]

    task = Task(model, asked, (*program, *_arguments(options)), policy, told, options.once)
    with _alone(model):
        return asyncio.run(_watch(Watcher(task, JobPoller(login)), _kept(asked, watched), address, secret))


def split_address(text: str) -> tuple[str, int]:
    """HOST:PORT, or [HOST]:PORT with an IPv6 address.

    Raises:
        WatchError: It is neither.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
        good = port is not None and parts.netloc == text and "@" not in text
    except ValueError:
        good = False
    if not good or not host:
        raise WatchError(f"--listen: {text!r}; expected HOST:PORT, as in 127.0.0.1:8091 or 0.0.0.0:8091.")
    return host, port


async def _watch(watcher: Any, watched: Callable[[], WatchedJobs], address: tuple[str, int] | None, secret: str) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if address is None:
        return await watcher.watch(stop)
    from preannotate.jobs.webhook_receiver import PATH, webhook_app
    from preannotate.serving.errors import ServeError
    from preannotate.serving.ports import Listener

    try:
        listener = Listener(webhook_app(secret=secret, watched=watched, news=watcher.news.set), *address)
    except ServeError as error:
        cause = getattr(error.__cause__, "strerror", None) or "it cannot be used"
        raise WatchError(
            f"--listen: {address[0]}:{address[1]}: {cause}; expected a free port of this machine. Choose another."
        ) from error
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    _LOG.info("CVAT's webhooks are taken on http://%s:%d%s.", host, listener.port, PATH)
    try:
        return await watcher.watch(stop)
    finally:
        await listener.close()


def _kept(asked: Callable[[], WatchedJobs], first: WatchedJobs) -> Callable[[], WatchedJobs]:
    """What is asked for now, or was before, while `asked.json` cannot be read."""

    def watched() -> WatchedJobs:
        nonlocal first
        with contextlib.suppress(PreannotateError):
            first = asked()
        return first

    return watched


def _policy(options: Options) -> RetrainPolicy:
    every = seconds(options.every)
    if every is None or not SHORTEST_EVERY <= every <= LONGEST_EVERY:
        raise WatchError(f"--every: {options.every!r}; expected 5s to 24h, as in 30s, 10m or 1h30m.")
    if options.new_jobs < 1:
        raise WatchError(f"--new-jobs: {options.new_jobs}; expected a number from 1 on.")
    quiet = options.quiet_minutes
    if quiet is None:
        quiet = 0.0 if options.once else QUIET_MINUTES
    if not 0 <= quiet <= 24 * 60:
        raise WatchError(f"--quiet-minutes: {quiet:g}; expected a number from 0 to 1440.")
    return RetrainPolicy(options.new_jobs, quiet * 60, every)


def _check_receiver(options: Options, address: tuple[str, int] | None, secret: str) -> None:
    if address is None:
        if options.register is not None or options.secret_file is not None:
            raise WatchError("--register, --secret-file: without --listen; expected HOST:PORT to listen on.")
        return
    if options.once:
        raise WatchError("--listen: with --once, which waits for nothing; expected one of them. Leave one out.")
    # Not by `serve.ports`, which needs uvicorn.
    if not secret and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise WatchError(
            f"--listen: {options.listen} without a secret, where other machines could begin trainings; expected one. "
            f"Put it into a file for --secret-file, or into {VARIABLE}."
        )
    if options.register is None:
        return
    if not secret:
        raise WatchError(f"--register: without a secret; expected --secret-file or {VARIABLE}, for CVAT to sign with.")
    from preannotate.core.http import server_url

    server_url("--register", options.register)


def _register(login: dict[str, Any], watched: WatchedJobs, url: str, secret: str) -> None:
    """Make the webhooks; a task outside a project has none."""
    from preannotate.cvat.connection import connect
    from preannotate.cvat.login import Login
    from preannotate.cvat.webhooks import register_webhook
    from preannotate.jobs.webhook_receiver import PATH

    target = url if urlsplit(url).path.rstrip("/") else url.rstrip("/") + PATH
    server = connect(Login(**login))
    projects, outside = set(watched.projects), []
    tasks = watched.tasks | {server.job(number)["task_id"] for number in watched.jobs}
    for number in sorted(tasks):
        project = server.task(number).get("project_id")
        if project is None:
            outside.append(number)
        else:
            projects.add(project)
    for project in sorted(projects):
        number = register_webhook(server, project, url=target, secret=secret)
        _LOG.info("project %d: webhook %d of CVAT tells %s.", project, number, target)
    if outside:
        _LOG.warning(
            "task %s: in no project, so CVAT cannot tell anybody about it; it is looked at as --every says. "
            "Move it into a project to be told.",
            ", ".join(map(str, outside)),
        )


def _arguments(options: Options) -> list[str]:
    arguments = ["run", "--workspace", str(options.workspace), "--name", options.name, "--only-if-better"]
    if options.annotate_rest:
        arguments.append("--annotate-rest")
    login = options.login or {}
    for name, flag in _FLAGS.items():
        if login.get(name) is not None:
            arguments += [flag, login[name]]
    return arguments + (["--insecure"] if login.get("insecure") else [])


def _check_packages(listens: bool) -> None:
    wanted = {"cvat_sdk": "cvat", **({"starlette": "serve", "uvicorn": "serve"} if listens else {})}
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        extras = ",".join(sorted({wanted[name] for name in missing}))
        raise WatchError(
            f"watch: {', '.join(missing)} not installed; expected the packages of the extras {extras}. "
            f"Run `pip install 'preannotate[{extras}]'`."
        )


def _ask_for_the_password(login: dict[str, Any]) -> None:
    """Once, now that somebody may be there; runs inherit it."""
    if login.get("user") and not os.environ.get("PASS"):
        with contextlib.suppress(EOFError, OSError):
            os.environ["PASS"] = getpass.getpass(f"Password for {login['user']}: ")


@contextlib.contextmanager
def _alone(model: ModelFolder) -> Iterator[None]:
    descriptor = os.open(model.path / ".watch.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WatchError(f"{model.path}: is watched already; expected nobody. Stop the other watch.") from error
        yield
    finally:
        os.close(descriptor)


def _log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", force=True
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
