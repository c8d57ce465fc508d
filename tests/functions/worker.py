"""The test's end of `wrapper.py`: asks a function, and holds every answer against the rule for all of them."""

import base64
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

WRAPPER = Path(__file__).with_name("wrapper.py")


class Worker:
    """A running function.

    Attributes:
        log: Everything that it wrote, so far.
    """

    def __init__(self, directory: Path, log: Path, **environment: str) -> None:
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(WRAPPER)],
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("wb"),
        )

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    @property
    def memory(self) -> int:
        """Bytes in main memory."""
        return psutil.Process(self._process.pid).memory_info().rss

    @property
    def peak_memory_kb(self) -> int:
        """The most that it has ever had in main memory (Linux)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        return int(status.partition("VmHWM:")[2].split()[0])

    def ask(self, body: bytes, head: dict[str, Any] | list[dict[str, Any]] | None = None) -> Any:
        """The reply to one event: what nuclio_sdk makes of it, a list if the head is one."""
        encoded = json.dumps({} if head is None else head).encode("ascii")
        try:
            self._process.stdin.write(struct.pack(">II", len(encoded), len(body)) + encoded + body)
            self._process.stdin.flush()
            length = self._process.stdout.read(4)
            assert length, "no answer"
        except (BrokenPipeError, AssertionError):
            status = self._process.wait(timeout=10)
            raise AssertionError(f"the worker died with {status}: {self.log[-3000:]}") from None
        return json.loads(self._process.stdout.read(*struct.unpack(">I", length)))

    def close(self) -> None:
        """Let it end by itself."""
        self._process.stdin.close()
        assert self._process.wait(timeout=60) == 0
        self._process.stdout.close()


def request(image: bytes, **more: Any) -> bytes:
    """What CVAT posts."""
    return json.dumps({"image": base64.b64encode(image).decode("ascii"), **more}).encode("utf-8")


def answer_of(response: dict[str, Any]) -> tuple[int, Any]:
    """Status and parsed body of a reply that keeps the rule: JSON, 200 with a list, or 400 or 421 with one sentence."""
    status, body = response["status_code"], json.loads(response["body"], parse_constant=_refuse)
    assert response["content_type"] == "application/json"
    assert response["body_encoding"] == "text"
    if status == 200:
        assert isinstance(body, list)
        for shape in body:
            x1, y1, x2, y2 = shape["points"]
            assert 0 <= x1 < x2
            assert 0 <= y1 < y2
    else:
        assert status in (400, 421)
        assert list(body) == ["error"]
        assert len(body["error"]) < 600
        assert "\n" not in body["error"]
        assert "Traceback" not in body["error"]
        assert body["error"].endswith(".")
    return status, body


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")
