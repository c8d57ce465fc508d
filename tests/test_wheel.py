"""The wheel by itself: built, installed where no checkout is, and used."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from preannotate.cli import main

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(command, check=True)
    return next(folder.glob("preannotate-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Run a program of a new environment that has the wheel, and of this one's packages all but this project."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # The libraries that it needs, without what leads to this checkout.
    for library in Path(sysconfig.get_path("purelib")).iterdir():
        if library.suffix != ".pth" and not (packages / library.name).exists():
            (packages / library.name).symlink_to(library)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path_factory.mktemp("home"))}
    somewhere_else = tmp_path_factory.mktemp("work")

    def run(*arguments, **variables):
        command = [str(folder / "bin" / "python"), *map(str, arguments)]
        return subprocess.run(
            command, cwd=somewhere_else, env={**environment, **variables}, capture_output=True, text=True, check=False
        )

    return run


def test_the_packages_come_from_the_wheel(installed):
    names = ["builder", "evaluation", "preannotate", "runtime", "trainer"]
    done = installed("-c", f"import {', '.join(names)}; print(*(p.__file__ for p in ({', '.join(names)},)), sep='\\n')")

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == len(names)
    assert str(ROOT) not in done.stdout


def test_every_file_that_is_no_test_is_in_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        there = set(archive.namelist())
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    packages = ("builder/", "evaluation/", "preannotate/", "trainer/", "functions/runtime/")
    ours = {name.removeprefix("functions/") for name in listed if name.startswith(packages)}

    assert ours - there == set()


def test_every_command_explains_itself(installed):
    for name in [command.name for command in main.COMMANDS]:
        done = installed("-m", "preannotate", name, "--help")
        assert done.returncode == 0, (name, done.stderr)
        assert done.stdout.startswith(f"usage: preannotate {name}")


def test_the_version_is_that_of_the_package(installed, wheel):
    done = installed("-m", "preannotate", "--version")

    assert done.stdout.split()[-1] == re.match(r"preannotate-([^-]+)-", wheel.name)[1]


def test_a_built_function_is_checked_and_annotates(installed, squares_built, tmp_path):
    function = squares_built.directory.parent
    checked = installed("-m", "preannotate", "check", function)
    photos = function / "validation" / "images"
    done = installed("-m", "preannotate", "annotate", function, photos, "--export", "coco", tmp_path / "coco.zip")

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "coco.zip").is_file()


def test_the_catalogue_of_ready_models_is_in_it(installed):
    done = installed("-m", "preannotate", "catalogue")

    assert done.returncode == 0, done.stderr
    assert "coco-yolox-nano" in done.stdout


def test_the_deploying_script_is_found(installed):
    done = installed(
        "-c",
        "from pathlib import Path; from preannotate.registry import publication as p; "
        "p.deploy_function(Path('no'), p.Deploy.NUCTL)",
    )

    assert "deploy.sh cpu no: exit code 2 (no: no such directory; expected function directories" in done.stderr
