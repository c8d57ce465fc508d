"""`preannotate serve FUNCTIONS`: checks its arguments before anything heavy is imported."""

import asyncio
import importlib.util
import logging
import os
import sys
from pathlib import Path

from preannotate.serving.devices import VARIABLE, parse_gpus
from preannotate.serving.errors import ServeError

PACKAGES = ("nuclio_sdk", "starlette", "uvicorn", "yaml")


def run_server(
    folder: Path,
    host: str,
    port: int,
    workers: int | None,
    gpus: str | None = None,
    token: str | None = None,
    token_file: Path | None = None,
) -> int:
    """Serve the functions of a folder until stopped.

    Args:
        folder: Holds NAME/nuclio directories; or one NAME, or one nuclio directory.
        host: Where to listen; beyond loopback, anybody who reaches the port can use the functions.
        port: Of the dashboard's endpoints; 0 takes a free one.
        workers: Processes for each function; None takes the number in each function.yaml.
        gpus: As in `--gpus 0,1`: serves the GPU variants, with one worker for each of these.
        token: What callers have to know.
        token_file: Holds it instead; so may the environment variable PREANNOTATE_TOKEN.

    Returns:
        The exit code, after a stop by signal.

    Raises:
        ServeError: An argument, a package or the port is not as it must be.
    """
    chosen = _check(folder, port, workers, gpus)
    from preannotate.serving.access import find_token
    from preannotate.serving.server import ServerSettings, serve_folder

    settings = ServerSettings(host, port, workers, chosen, find_token(token, token_file))
    _log_to_stderr()
    asyncio.run(serve_folder(folder.resolve(), settings))
    return 0


def _check(folder: Path, port: int, workers: int | None, gpus: str | None) -> tuple[str, ...]:
    """Refuse what cannot be served; returns the GPUs."""
    if not folder.is_dir():
        raise ServeError(
            f"{folder}: no such folder; expected one with function directories (NAME/nuclio/function.yaml). "
            f"Build a function first with `preannotate build`."
        )
    if not 0 <= port <= 65535:
        raise ServeError(f"--port: {port}; expected a number from 0 to 65535. Choose another.")
    if workers is not None and workers < 1:
        raise ServeError(f"--workers: {workers}; expected a number from 1 on. Choose another.")
    if workers is not None and gpus is not None:
        raise ServeError("--gpus, --workers: both are given; expected one, as each GPU has one worker. Leave one out.")
    chosen = () if gpus is None else parse_gpus(gpus, os.environ.get(VARIABLE))
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ServeError(
            f"serve: {', '.join(missing)} not installed; expected the packages of the extra `serve`. "
            f"Run `pip install 'preannotate[serve]'`."
        )
    if chosen and importlib.util.find_spec("tensorflow") is None:
        raise ServeError(
            "--gpus: tensorflow not installed; expected it, as the GPU variant runs on it. "
            "Run `pip install 'preannotate[serve-gpu]'`, or leave out --gpus."
        )
    return chosen


def _log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", force=True
    )
    # Every port would announce itself.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
