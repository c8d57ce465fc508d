"""A run as a process of its own: its words go on to our stderr, its last line is kept, and a stop reaches it.

It gets no secret but CVAT's login: neither those of webhooks nor that of the mail server.
"""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from preannotate.notifications.settings import SECRETS

# What a run may take to write down where it is, after it was asked to stop.
STOP_SECONDS = 60.0
_LINE_BYTES = 1 << 16
_ERROR = "error: "


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        code: Exit code; 128 and more for a signal.
        said: Its last line, or the last that is an error.
        process: Its number.
    """

    code: int
    said: str
    process: int = 0


async def run(command: Sequence[str], stop: asyncio.Event) -> Ended:
    """Run to the end; ask it to stop when `stop` is set.

    Args:
        command: Program and arguments.
        stop: Set when the watch ends.
    """
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        limit=_LINE_BYTES,
        start_new_session=True,  # Ctrl-C in a terminal reaches us alone: it gets one signal, not two
    )
    last: deque[str] = deque(maxlen=1)
    errors: deque[str] = deque(maxlen=1)
    reading = asyncio.create_task(_pass_on(process.stdout, last, errors))
    ending = asyncio.create_task(process.wait())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([ending, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            process.send_signal(signal.SIGTERM)
            await asyncio.wait([ending], timeout=STOP_SECONDS)
        if not ending.done():
            process.kill()
        code = await ending
    finally:
        stopping.cancel()
        if process.returncode is None:
            process.kill()
    # Whoever the run started may hold the pipe open.
    await asyncio.wait([reading], timeout=1)
    reading.cancel()
    said = (errors or last or [""])[0]
    if code < 0:
        return Ended(128 - code, said or f"It was ended by signal {-code} ({signal.Signals(-code).name}).", process.pid)
    return Ended(code, said, process.pid)


async def _pass_on(stream: asyncio.StreamReader, last: deque[str], errors: deque[str]) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # longer than any line for people
            continue
        if not line:
            return
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
        if text := line.decode("utf-8", "replace").strip():
            last.append(text)
            if text.startswith(_ERROR):
                errors.append(text.removeprefix(_ERROR))
