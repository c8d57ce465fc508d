"""builder/images/renew.sh: hashes by uv, the digest by Docker; both are fakes here."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DIGEST = "sha256:" + "a" * 64
LOCK = "numpy==2.0 \\\n    --hash=sha256:" + "b" * 64 + "\n"
DOCKER = """#!/bin/sh
case "$1" in
pull) [ ! -e "$0.offline" ] ;;
image) printf 'python@%s\n\n' "$DIGEST" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with the images, and a PATH with uv and docker."""
    shutil.copytree(ROOT / "builder" / "images", tmp_path / "builder" / "images")
    shutil.copy(ROOT / "constraints.txt", tmp_path)
    (tmp_path / "bin").mkdir()
    for name, text in {
        "uv": f'#!/bin/sh\necho "$@" >> "$0.calls"\ncat <<\'END\'\n{LOCK}END\n',
        "docker": DOCKER,
    }.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def renew(checkout):
    path = f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}"
    script = checkout / "builder" / "images" / "renew.sh"
    environment = {**os.environ, "PATH": path, "DIGEST": DIGEST}
    return subprocess.run(["bash", script], env=environment, capture_output=True, text=True, check=False)


def base_images(checkout):
    """The images that the Dockerfiles start from."""
    lines = [
        line
        for variant in ("cpu", "gpu")
        for line in (checkout / "builder" / "images" / variant / "Dockerfile").read_text("utf-8").splitlines()
    ]
    return [line.removeprefix("ARG BASE_IMAGE=") for line in lines if line.startswith("ARG BASE_IMAGE=")]


def test_packages_and_digest(checkout):
    done = renew(checkout)
    assert done.returncode == 0, done.stderr
    for variant in ("cpu", "gpu"):
        text = (checkout / "builder" / "images" / variant / "requirements.txt").read_text("utf-8")
        assert text.startswith("# Everything that is installed, exactly, with hashes;")
        assert text.endswith(LOCK)
    assert base_images(checkout) == [f"python:3.11-slim-bookworm@{DIGEST}"] * 2
    assert "--generate-hashes" in (checkout / "bin" / "uv.calls").read_text()
    assert renew(checkout).returncode == 0  # a digest is replaced, not added to
    assert base_images(checkout) == [f"python:3.11-slim-bookworm@{DIGEST}"] * 2


def test_without_a_registry_the_digest_stays_as_it_is(checkout):
    before = base_images(checkout)
    (checkout / "bin" / "docker.offline").touch()
    done = renew(checkout)
    assert done.returncode == 1
    assert "python:3.11-slim-bookworm: cannot be pulled; its digest stays as it is." in done.stderr
    assert base_images(checkout) == before


def test_a_digest_is_left_out_where_images_come_from_a_file(machine, functions):
    """`docker load` brings tags, and no digests."""
    functions()
    machine.state(images=[])
    done = machine.deploy("cpu", "--no-pull")
    (build,) = [call for call in done.calls if call[1] == "build"]
    assert build[4:6] == ["--build-arg", "BASE_IMAGE=python:3.11-slim-bookworm"]
