"""The stand-in of CVAT with its pages of functions, and nothing of this machine's own logins and proxies."""

import getpass
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")

from support import cvat_stand_in as stand_in
from support import cvat_stand_in_functions as functions
from support.pipeline import Commands

# The command as it is, but it looks at the folder more often.
_SERVE = """
import sys
from preannotate.cli.main import main
from preannotate.serving import registry
registry.POLL_SECONDS = 0.1
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def nothing_of_this_machine(no_logins: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And looks at CVAT and at `serve` follow one another at once."""
    from preannotate.pipeline import auto_annotation, verification

    monkeypatch.setattr(auto_annotation, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(verification, "POLL_SECONDS", 0.1)


def _with_functions(server: "stand_in.StandIn") -> None:
    server.functions = functions.Lambda(server)
    server.pages.append(server.functions.page)


@pytest.fixture(params=stand_in.VERSIONS)
def cvat(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator["stand_in.StandIn"]:
    """A server of each version, and the environment holds a login that it accepts."""
    with stand_in.StandIn(request.param).running() as server:
        _with_functions(server)
        if server.new:
            monkeypatch.setenv("CVAT_ACCESS_TOKEN", stand_in.TOKEN)
        else:
            monkeypatch.setenv("PASS", stand_in.PASSWORD)
            monkeypatch.setattr(getpass, "getuser", lambda: stand_in.USER)
        yield server
        server.functions.finish()


@pytest.fixture
def newest(monkeypatch: pytest.MonkeyPatch) -> Iterator["stand_in.StandIn"]:
    """The newer one only."""
    with stand_in.StandIn().running() as server:
        _with_functions(server)
        monkeypatch.setenv("CVAT_ACCESS_TOKEN", stand_in.TOKEN)
        yield server
        server.functions.finish()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """(folder, address) of a `preannotate serve` that watches the folder; it is emptied after each test."""
    pytest.importorskip("nuclio_sdk")
    pytest.importorskip("starlette")
    folder = tmp_path_factory.mktemp("work") / "functions"
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", _SERVE, "serve", str(folder), "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE)
    server.stdout.readline()
    yield folder, f"http://127.0.0.1:{port}"
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=30)


@pytest.fixture
def workspace(served: tuple[Path, str]) -> Iterator[Path]:
    """The folder whose functions are served."""
    folder = served[0].parent
    yield folder
    shutil.rmtree(folder / "models", ignore_errors=True)
    for function in served[0].iterdir():
        shutil.rmtree(function)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Training and building take no time."""
    from preannotate.core import child_process

    fake = Commands()
    monkeypatch.setattr(child_process, "run_module", fake.run_module)
    return fake
