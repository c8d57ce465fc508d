"""`preannotate serve FUNCTIONS`: checks its arguments before anything heavy is imported."""

import asyncio
import importlib.util
import logging
import sys
from pathlib import Path

from preannotate.serve.errors import ServeError

PACKAGES = ("nuclio_sdk", "starlette", "uvicorn", "yaml")


def run(folder: Path, host: str, port: int, workers: int | None) -> int:
    """Serve the functions of a folder until stopped.

    Args:
        folder: Holds NAME/nuclio directories; or one NAME, or one nuclio directory.
        host: Where to listen; beyond loopback, anybody who reaches the port can use the functions.
        port: Of the dashboard's endpoints; 0 takes a free one.
        workers: Processes for each function; None takes the number in each function.yaml.

    Returns:
        The exit code: 0 after a stop by signal, 2 if it could not run (one sentence on stderr).
    """
    try:
        _check(folder, port, workers)
        from preannotate.serve.server import serve

        _log_to_stderr()
        asyncio.run(serve(folder.resolve(), host=host, port=port, workers=workers))
    except ServeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _check(folder: Path, port: int, workers: int | None) -> None:
    if not folder.is_dir():
        raise ServeError(
            f"{folder}: no such folder; expected one with function directories (NAME/nuclio/function.yaml). "
            f"Build a function first with `preannotate build`."
        )
    if not 0 <= port <= 65535:
        raise ServeError(f"--port: {port}; expected a number from 0 to 65535. Choose another.")
    if workers is not None and workers < 1:
        raise ServeError(f"--workers: {workers}; expected a number from 1 on. Choose another.")
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ServeError(
            f"serve: {', '.join(missing)} not installed; expected the packages of the extra `serve`. "
            f"Run `pip install 'preannotate[serve]'`."
        )


def _log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", force=True
    )
    # Every port would announce itself.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
