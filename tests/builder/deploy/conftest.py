"""deploy.sh, function directories for it, and fake `nuctl` and `docker` that record what it does."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.functions import prove

from builder.build import assemble
from builder.variants import VARIANTS
from runtime.manifest import Manifest, Postprocess

ROOT = Path(__file__).parents[3]
# All that deploy.sh may need besides nuctl and docker: PATH holds nothing else.
COMMANDS = ("awk", "bash", "cat", "chmod", "cp", "cut", "dirname", "env", "find", "grep", "head", "mkdir", "rm", "sed")
COMMANDS += ("sh", "sha256sum", "sort", "tail", "tee", "tr", "wc")


@dataclass
class Done:
    """What a run of deploy.sh left.

    Attributes:
        code: Exit code.
        out: Standard output, with the script's own temporary folder as WORK.
        err: Standard error, likewise.
        calls: Each call of nuctl and docker, likewise.
        script: Standard output as it came.
    """

    code: int
    out: str
    err: str
    calls: list[list[str]]
    script: str

    @property
    def table(self) -> list[str]:
        """The lines under NAME STATE PORT CAUSE."""
        text = self.err if "\nNAME " in self.err else self.out
        lines = text.splitlines()
        return lines[[line.startswith("NAME ") for line in lines].index(True) + 1 :]

    def deployed(self) -> list[list[str]]:
        """The calls of `nuctl deploy`."""
        return [call for call in self.calls if call[:2] == ["nuctl", "deploy"]]


class Machine:
    """A machine with deploy.sh and fake tools, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        (folder / "staged").mkdir()
        (folder / "temporary files").mkdir()
        self.state(images=[variant.base_image for variant in VARIANTS.values()], project=True, functions={})
        self.answer({})
        for command in COMMANDS:
            (self.bin / command).symlink_to(shutil.which(command))
        self.install("sleep", [shutil.which("true")])
        self.port = free_ports()
        for tool in ("nuctl", "docker"):
            self.install(tool, [sys.executable, "-IS", Path(__file__).with_name("fake_tools.py"), folder, tool])

    def install(self, name: str, command: list[object]) -> None:
        """Put `command` on PATH under `name`."""
        line = shlex.join(str(word) for word in command)
        (self.bin / name).write_text(f'#!/bin/sh\nexec {line} "$@"\n', "utf-8")
        (self.bin / name).chmod(0o755)

    def without(self, tool: str) -> None:
        """Uninstall a tool."""
        (self.bin / tool).unlink()

    def state(self, **state: object) -> None:
        """What images, project and functions there are."""
        path = self.folder / "state.json"
        before = json.loads(path.read_text("utf-8")) if path.exists() else {}
        path.write_text(json.dumps({**before, **state}), "utf-8")

    def answer(self, answers: dict[str, object]) -> None:
        """Answer calls that begin with these words otherwise than the fake would; a list is given one by one."""
        (self.folder / "answers.json").write_text(json.dumps(answers), "utf-8")

    def staged(self, name: str) -> Path:
        """What `nuctl deploy` got for this function, or `docker build` as "base"."""
        return self.folder / "staged" / name

    def deploy(self, *arguments: object, **environment: str) -> Done:
        """Run deploy.sh with these arguments in the machine's folder."""
        return self.run([ROOT / "deploy.sh", *arguments], **environment)

    def run(self, command: list[object], stdin: str = "", **environment: str) -> Done:
        """Run a command with nothing but the fakes, and forget what earlier ones did."""
        (self.folder / "calls").write_text("")
        shutil.rmtree(self.folder / "staged")
        (self.folder / "staged").mkdir()
        temporary = self.folder / "temporary files"
        done = subprocess.run(
            [str(word) for word in command],
            env={
                "PATH": str(self.bin),
                "TMPDIR": str(temporary),
                "HOME": str(self.folder),
                "FUNCTION_PORTS": f"{self.port}-{self.port + 9}",
                **environment,
            },
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        calls = [json.loads(line) for line in (self.folder / "calls").read_text("utf-8").splitlines()]
        work = re.compile(
            rf"({re.escape(str(temporary))}|{re.escape(shlex_spaces(temporary))})/preannotate-deploy\.\d+"
        )
        return Done(
            done.returncode,
            work.sub("WORK", done.stdout),
            work.sub("WORK", done.stderr),
            [[work.sub("WORK", word) for word in call] for call in calls],
            done.stdout,
        )


def free_ports() -> int:
    """The first of ten ports at which nobody listens on this machine."""
    # Other test processes bind theirs.
    begin = 21_000 + 1000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10)
    for first in range(begin, begin + 1000, 10):
        try:
            for port in range(first, first + 10):
                with socket.socket() as probe:
                    probe.bind(("", port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


def shlex_spaces(path: Path) -> str:
    """A path as bash's %q writes it."""
    return str(path).replace(" ", "\\ ")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine that has everything deploy.sh needs."""
    folder = tmp_path / "a machine"
    folder.mkdir()
    return Machine(folder)


@pytest.fixture(scope="session")
def cats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """functions/cats/nuclio as `preannotate build` makes it, with weights that are none. To be copied."""
    export = tmp_path_factory.mktemp("runs") / "cats" / "export"
    (export / "saved_model" / "variables").mkdir(parents=True)
    # In this order for Python, and in another for a shell that sorts the paths as texts.
    for name in ("saved_model.pb", "variables/variables.index", "variables.txt"):
        (export / "saved_model" / name).write_text(f"{name} of a network")
    manifest = Manifest("ssd-mobilenet-v2", ("cat", 'Größe "XL"'), (320, 320), Postprocess(0.5, (0.4, 0.6)))
    manifest.write(export / "model.json")
    directory = tmp_path_factory.mktemp("functions") / "cats" / "nuclio"
    directory.parent.mkdir()
    assemble(export, directory, "cats", Manifest.read(export))
    shutil.copytree(export / "saved_model", directory / "saved_model")
    for name in ("model.xml", "model.bin"):
        (directory / name).write_bytes(b"weights")
    prove(directory)
    return directory


@pytest.fixture
def functions(machine: Machine, cats: Path):
    """Make function directories in `functions/` of the machine; gives the `nuclio/` of each."""

    def make(name: str = "cats", folder: str = "functions") -> Path:
        directory = machine.folder / folder / name / "nuclio"
        shutil.copytree(cats, directory)
        for file in ("function.yaml", "function-gpu.yaml"):
            text = (directory / file).read_text("utf-8")
            text = text.replace('name: "cats', f'name: "{name}').replace("preannotate.cats", f"preannotate.{name}")
            (directory / file).write_text(text, "utf-8")
        return directory

    return make
