"""docker/Dockerfile: what it copies is let through, nothing else is, and its arguments fit pyproject.toml."""

import re
import runpy
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from trainer.kubernetes import USER

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def arguments():
    """{name: default} of the build arguments; the later of two."""
    return dict(re.findall(r"^ARG (\w+)=(.+)$", DOCKERFILE, re.MULTILINE))


def copied():
    """What is copied from the folder of the repository."""
    sources = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    return [re.sub(r"\$\{(\w+)\}", lambda match: arguments()[match[1]], source) for source in sources]


def is_ignored(path):
    """As Docker decides it: the last pattern that matches the path or a folder above it."""
    ignored = False
    places = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern, kept = line.removeprefix("!"), line.startswith("!")
        anywhere = pattern.startswith("**/")
        for place in places:
            name = Path(place).name if anywhere else place
            if fnmatch(name, pattern.removeprefix("**/")) and (anywhere or place.count("/") == pattern.count("/")):
                ignored = not kept
    return ignored


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_exists_and_is_let_through(source):
    assert (ROOT / source).exists()
    assert not is_ignored(source)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        "studio.token",
        "token.txt",
        "workspace/.secrets/server-1",
        "functions/boards/nuclio/model.bin",
        "functions/.boards.draft-abcdefgh/nuclio/model.json",
        "demo/export.zip",
        "preannotate/cli/__pycache__/main.cpython-311.pyc",
    ],
)
def test_secrets_and_what_was_made_here_are_not(path):
    assert is_ignored(path)


def test_all_of_the_wheel_is_copied():
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    parts = [*wheel["packages"], *wheel.get("force-include", {})]

    assert [part for part in parts if part.split("/")[0] not in copied() or is_ignored(part)] == []


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_a_target_installs_extras_that_exist(target):
    stage = DOCKERFILE.partition(f"AS {target}-packages\n")[2].partition("\nFROM ")[0]
    extras = re.search(r"^ARG EXTRAS=(.+)$", stage, re.MULTILINE)[1]
    requirements = runpy.run_path(str(ROOT / "docker" / "requirements.py"))["requirements"]
    found = requirements(extras, ROOT / "pyproject.toml")

    assert ("train" if target == "cpu" else "train-gpu") in extras.split(",")
    assert {"cvat", "build", "import", "serve", "studio"} <= set(extras.split(","))
    assert set(PROJECT["project"]["dependencies"]) <= set(found)
    names = {re.match(r"[a-z-]+", requirement)[0] for requirement in found}
    # Two distributions of one package.
    assert len(names & {"tensorflow", "tensorflow-cpu"}) == 1


def test_an_extra_that_is_none_is_one_sentence():
    requirements = runpy.run_path(str(ROOT / "docker" / "requirements.py"))["requirements"]

    with pytest.raises(
        SystemExit, match=r"^EXTRAS: 'trian'; expected some of build, .*\. Correct the build argument\.$"
    ):
        requirements("cvat,trian", ROOT / "pyproject.toml")


def test_nothing_runs_as_root():
    runtime = DOCKERFILE.partition("AS runtime\n")[2].partition("\nFROM ")[0]

    assert f"useradd --uid {USER} " in runtime
    assert f"\nUSER {USER}:{USER}\n" in runtime
    assert DOCKERFILE.rstrip().endswith("\nFROM cpu")
    assert len(re.findall(r"^USER ", DOCKERFILE, re.MULTILINE)) == 1


def test_commands_are_named_as_a_manifest_and_compose_name_them():
    """With an entry point, `docker compose run studio preannotate run` would be `preannotate preannotate run`."""
    assert "\nENTRYPOINT" not in DOCKERFILE
    assert '\nCMD ["preannotate", ' in DOCKERFILE


def test_what_only_a_build_needs_is_in_no_image():
    """Wheels, the address of a package index (which may hold a password) and pip's settings."""
    stages = dict(re.findall(r"^FROM (\S+) AS (cpu|gpu|runtime)$", DOCKERFILE, re.MULTILINE))

    assert set(stages) == {"${BASE_IMAGE}", "runtime"}
    for name in ("cpu", "gpu", "runtime"):
        stage = DOCKERFILE.partition(f"AS {name}\n")[2].partition("\nFROM ")[0]
        assert "PIP_INDEX_URL" not in stage
        assert all(
            line.split()[2:] == ["/opt/preannotate", "/opt/preannotate"]
            for line in stage.splitlines()
            if line.startswith("COPY")
        )
