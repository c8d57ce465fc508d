"""`preannotate serve FUNCTIONS`: checks its arguments before anything heavy is imported."""

import asyncio
import importlib.util
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from preannotate.core import secrets
from preannotate.core.terminal import log_to_stderr
from preannotate.serving.devices import VARIABLE, parse_gpus
from preannotate.serving.errors import ServeError

PACKAGES = ("nuclio_sdk", "starlette", "uvicorn", "yaml")
TOKEN_VARIABLE = "PREANNOTATE_TOKEN"
_TOKEN = secrets.token(TOKEN_VARIABLE, ServeError)


def run_server(
    folder: Path,
    host: str,
    port: int,
    workers: int | None,
    gpus: str | None = None,
    token: str | None = None,
    token_file: Path | None = None,
) -> int:
    """Serve the functions of a folder until stopped by a signal, and return the exit code.

    Args:
        folder: Holds NAME/nuclio directories; or one NAME, or one nuclio directory.
        host: Where to listen; beyond loopback, anybody who reaches the port can use the functions.
        port: Of the dashboard's endpoints; 0 chooses a free one.
        workers: Processes for each function; None for the number in each function.yaml.
        gpus: As in `--gpus 0,1`: serves the GPU variants, with one worker for each of these.
        token: What callers have to send.
        token_file: Holds it instead; so may the environment variable PREANNOTATE_TOKEN.

    Raises:
        ServeError: An argument is wrong, a package is missing, or the port is in use.
    """
    chosen = _check(folder, port, workers, gpus)
    found = find_token(token, token_file)
    from preannotate.serving.server import serve_folder

    log_to_stderr()
    # Every port would announce itself.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    asyncio.run(serve_folder(folder.resolve(), host, port, workers, chosen, found))
    return 0


def find_token(token: str | None, file: Path | None) -> str | None:
    """Return the token from the command line, else from a file, else from the environment; None if there is none.

    Every user of the machine can read the command line, so it is the last to recommend.

    Raises:
        ServeError: Two are given, the file cannot be read, or the token is too short or has other characters.
    """
    if token is not None and file is not None:
        raise ServeError("--token, --token-file: both are given; expected one. Leave out --token.")
    if token is not None:
        os.environ.pop(TOKEN_VARIABLE, None)
        return _TOKEN.checked(token, "--token")
    return _TOKEN.find(file) or None


def check_port(port: int) -> None:
    """Raise a ServeError if `--port` cannot be a port; 0 is any free one."""
    if not 0 <= port <= 65535:
        raise ServeError(f"--port: {port}; expected a number from 0 to 65535. Choose another.")


def check_packages(command: str, packages: Mapping[str, str]) -> None:
    """Raise a ServeError if packages of a command, which has an extra of its name, are not installed.

    `packages` is module to the name that people install.
    """
    missing = [name for module, name in packages.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ServeError(
            f"{command}: {', '.join(missing)} not installed; expected the packages of the extra `{command}`. "
            f"Run `pip install 'preannotate[{command}]'`."
        )


def _check(folder: Path, port: int, workers: int | None, gpus: str | None) -> tuple[str, ...]:
    """Refuse what cannot be served; returns the GPUs."""
    if not folder.is_dir():
        raise ServeError(
            f"{folder}: no such folder; expected one with function directories (NAME/nuclio/function.yaml). "
            f"Build a function first with `preannotate build`."
        )
    check_port(port)
    if workers is not None and workers < 1:
        raise ServeError(f"--workers: {workers}; expected a number from 1 on. Choose another.")
    if workers is not None and gpus is not None:
        raise ServeError("--gpus, --workers: both are given; expected one, as each GPU has one worker. Leave one out.")
    chosen = () if gpus is None else parse_gpus(gpus, os.environ.get(VARIABLE))
    check_packages("serve", {name: name for name in PACKAGES})
    if chosen and importlib.util.find_spec("tensorflow") is None:
        raise ServeError(
            "--gpus: tensorflow not installed; expected it, as the GPU variant runs on it. "
            "Run `pip install 'preannotate[serve-gpu]'`, or leave out --gpus."
        )
    return chosen
