"""A function directory to break, programs that answer what a test says, and a web server that does."""

import base64
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.functions import prove
from support.web_server import WebServer, web_server

from builder.build import assemble
from builder.function_directory import network_fingerprint
from preannotate.diagnostics.functions import LocalFunction, read_variants
from runtime.manifest import Manifest, Postprocess

# One box in the middle of whatever it sees.
ENGINE = """
import numpy as np

class Fake:
    name, device, warning = "fake", "no device", ""

    def run(self, pixels):
        return {"boxes": np.array([[[8, 8, 24, 24]]], np.float32), "scores": np.array([[[0.9, 0.1]]], np.float32)}

def load(directory):
    return Fake()
"""
# Answers from answers.json by the longest beginning of its arguments, and writes down how it was called.
PROGRAM = """#!{python}
import json, sys
from pathlib import Path
me = Path(sys.argv[0])
with me.with_suffix(".calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
said = " ".join(sys.argv[1:])
answers = json.loads(me.with_suffix(".json").read_text())
found = max((words for words in answers if said.startswith(words)), key=len, default=None)
out, err, code = answers[found] if found is not None else ("", "unexpected: " + said, 99)
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """functions/cats/nuclio as `build` makes it, with weights that are none and an engine of a few lines."""
    saved_model = tmp_path / "export" / "saved_model"
    saved_model.mkdir(parents=True)
    (saved_model / "saved_model.pb").write_bytes(b"a network")
    manifest = Manifest("squares", ("cat", "dog"), (32, 32), Postprocess(0.5, (0.5, 0.5)))
    directory = tmp_path / "functions" / "cats" / "nuclio"
    directory.parent.mkdir(parents=True)
    assemble(tmp_path / "export", directory, "cats", manifest)
    shutil.copytree(saved_model, directory / "saved_model")
    for name in ("model.xml", "model.bin"):
        (directory / name).write_bytes(b"weights")
    prove(directory)
    return directory


@pytest.fixture
def fingerprint(directory: Path) -> str:
    """Of that network."""
    return network_fingerprint(directory / "saved_model")


@pytest.fixture
def functions(directory: Path) -> list[LocalFunction]:
    """Its CPU and its GPU variant."""
    found, problems = read_variants(directory.parent, directory)
    assert problems == []
    return found


@pytest.fixture
def runnable(directory: Path) -> Path:
    """The same directory, and it can be run."""
    (directory / "runtime" / "engines" / "fake.py").write_text(ENGINE)
    for name in ("function.yaml", "function-gpu.yaml"):
        path = directory / name
        path.write_text(
            path.read_text().replace("value: openvino", "value: fake").replace("value: tensorflow", "value: fake")
        )
    prove(directory)
    return directory


@dataclass
class Programs:
    """A folder that is the whole of PATH."""

    folder: Path

    def add(self, name: str, answers: dict[str, tuple[str, str, int]]) -> None:
        """A program and what it answers to arguments that begin so: output, errors, exit code."""
        program = self.folder / name
        program.write_text(PROGRAM.format(python=sys.executable))
        program.chmod(0o755)
        program.with_suffix(".json").write_text(json.dumps(answers))

    def calls(self, name: str) -> list[list[str]]:
        """How it was called."""
        path = (self.folder / name).with_suffix(".calls")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """No programs yet."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return Programs(folder)


class Docker:
    """The fake `docker`: what it says has the form in which Docker 20.10 describes real containers."""

    version_of_engine = "version --format {{.Server.Version}}"
    list_of_containers = "ps --all --format {{.Names}}\t{{.Image}}"
    inspection = "inspect --type container"
    store = "exec nuclio-local-storage-reader /bin/sh -c /bin/cat /etc/nuclio/store/"

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self.answers: dict[str, tuple[str, str, int]] = {}

    def says(self, answers: dict[str, tuple[str, str, int]]) -> None:
        """More answers to arguments that begin so: output, errors, exit code."""
        self.answers |= answers
        self._programs.add("docker", self.answers)

    def holds(self, *containers: dict[str, Any], engine: str = "27.3.1") -> None:
        """Runs, with these containers."""
        names = "".join(f"{one['Name'][1:]}\t{one['Config']['Image']}\n" for one in containers)
        inspected = json.dumps(containers)
        self.says(
            {
                self.version_of_engine: (f"{engine}\n", "", 0),
                self.list_of_containers: (names, "", 0),
                self.inspection: (inspected, "", 0),
            }
        )

    def stores(self, kind: str, records: list[dict[str, Any]]) -> None:
        """nuclio's records of "functions" or "projects"."""
        lines = [base64.b64encode(json.dumps(record).encode()).decode() + "\n" for record in records]
        self.says({f"{self.store}{kind}/nuclio/*": ("".join(lines), "", 0)})

    def calls(self) -> list[list[str]]:
        """How it was called."""
        return self._programs.calls("docker")

    @staticmethod
    def container(
        name: str, image: str = "an-image:1", status: str = "running", restarts: int = 0, **parts: Any
    ) -> dict[str, Any]:
        """One entry of `docker inspect`; `parts` go into State, Config, HostConfig and NetworkSettings."""
        return {
            "Name": f"/{name}",
            "RestartCount": restarts,
            "State": {"Status": status, "ExitCode": 0, "OOMKilled": False, **parts.get("state", {})},
            "Config": {"Image": image, "Env": None, "Labels": None, **parts.get("config", {})},
            "HostConfig": {"ExtraHosts": None, "DeviceRequests": None, "Runtime": "runc", **parts.get("host", {})},
            "NetworkSettings": {"Ports": {}, "Networks": {"cvat_cvat": {}}, **parts.get("network", {})},
        }


@pytest.fixture
def docker(programs: Programs) -> Docker:
    """No `docker` yet; it comes with its first answers."""
    return Docker(programs)


@pytest.fixture
def site() -> Iterator[WebServer]:
    """A server that says what a test says."""
    with web_server() as found:
        yield found


@pytest.fixture(autouse=True)
def no_login_and_no_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever this machine's environment holds."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("CVAT_ACCESS_TOKEN", "PASS", "PREANNOTATE_TOKEN", "MODEL_ENGINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "no-docker-settings"))
