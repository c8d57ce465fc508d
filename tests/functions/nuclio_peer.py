"""The part of nuclio's processor that speaks to its Python wrapper, over the two sockets that they share.

Towards the wrapper: length (4 bytes, big end first) and an event, or a list of events, in msgpack. From the wrapper:
lines whose first letter says what they are (l a log line, s started, m a duration, r the reply).
"""

import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack

# A function has to load its model and answer within that; nuclio itself waits longer.
TIMEOUT_SECONDS = 60


class NuclioWrapper:
    """A function under nuclio's own wrapper; the same `ask` as `Worker`.

    Attributes:
        logs: Messages of the function's logger, as (level, message).
        durations: Number of requests that the handler ended without an exception.
    """

    def __init__(
        self,
        wrapper: Path,
        directory: Path,
        folder: Path,
        handler: str = "main:handler",
        python: Sequence[str] = (sys.executable,),
    ) -> None:
        self.logs: list[tuple[str, str]] = []
        self.durations = 0
        listeners = {kind: socket.socket(socket.AF_UNIX) for kind in ("event", "control")}
        arguments = ["--handler", handler, "--platform-kind", "local", "--namespace", "nuclio", "--worker-id", "0"]
        arguments += ["--trigger-kind", "http", "--trigger-name", "myHttpTrigger", "--decode-event-strings"]
        for kind, listener in listeners.items():
            # Relative to the folder: the path of a socket may have 107 bytes.
            path = os.path.relpath(folder / f"{kind}.sock")
            listener.bind(path)
            listener.listen()
            listener.settimeout(TIMEOUT_SECONDS)
            arguments += [f"--{kind}-socket-path", str(folder / f"{kind}.sock")]
        self._process = subprocess.Popen(
            [*python, "-u", str(wrapper), *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(directory), "MODEL_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._event = listeners["event"].accept()[0]
        self._control = listeners["control"].accept()[0]
        for listener in listeners.values():
            listener.close()
        self._event.settimeout(TIMEOUT_SECONDS)
        self._lines = self._event.makefile("rb")
        self._until(b"s")

    def ask(self, body: bytes, head: dict[str, Any] | list[dict[str, Any]] | None = None) -> Any:
        """The reply to one event; to a list of events if the head is one: each of them says its `size`."""
        if isinstance(head, list):
            cuts = [sum(each["size"] for each in head[:number]) for number in range(len(head) + 1)]
            bodies = [body[start:end] for start, end in pairwise(cuts)]
            message = [_event(content, each) for content, each in zip(bodies, head, strict=True)]
        else:
            message = _event(body, head or {})
        packed = msgpack.packb(message, use_bin_type=True)
        self._event.sendall(struct.pack(">I", len(packed)) + packed)
        return json.loads(self._until(b"r"))

    def close(self) -> None:
        """Hang up, as nuclio does."""
        self._event.shutdown(socket.SHUT_RDWR)
        self._process.wait(timeout=TIMEOUT_SECONDS)
        self._lines.close()
        self._event.close()
        self._control.close()

    def _until(self, kind: bytes) -> bytes:
        for line in self._lines:
            if line[:1] == kind:
                return line[1:]
            if line[:1] == b"l":
                log = json.loads(line[1:])
                self.logs.append((log["level"], log["message"]))
            elif line[:1] == b"m":
                self.durations += json.loads(line[1:])["duration"] > 0
        raise AssertionError(f"the wrapper hung up; status {self._process.wait(timeout=TIMEOUT_SECONDS)}")


def _event(body: bytes, head: dict[str, Any]) -> dict[str, Any]:
    return {
        **{"id": "1", "content_type": "application/json", "headers": {}, "fields": {}, "method": "POST", "path": "/"},
        **{"url": "", "timestamp": 1, "shard_id": 0, "num_shards": 1, "type": "", "type_version": "", "version": ""},
        **{"trigger": {"kind": "http", "name": "myHttpTrigger"}, "offset": 0, "topic": ""},
        **head,
        **{"size": len(body), "body": body},
    }
