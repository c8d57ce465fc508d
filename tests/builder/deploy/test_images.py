"""One set of versions: what is pinned in the images is what was tested, and what function.yaml names."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from builder import variants
from builder.function_yaml import RESERVED_NAMES, RUN_AS_USER
from builder.variants import VARIANTS

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "builder" / "deploy" / "deploy.sh"
IMAGES = ROOT / "builder" / "images"
SCRIPTS = [ROOT / "deploy.sh", IMAGES / "renew.sh", *sorted((ROOT / "builder" / "deploy").glob("*.sh"))]


def pinned(variant):
    """{package: version} of an image, in full."""
    lines = (IMAGES / variant / "requirements.txt").read_text("utf-8").splitlines()
    return dict(line.removesuffix(" \\").split("==") for line in lines if "==" in line)


def ranges():
    """{package: [(">=", "2.1"), …]} of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = {}
    for requirement in itertools.chain(project["dependencies"], *project["optional-dependencies"].values()):
        name, bounds = re.fullmatch(r"([A-Za-z0-9-]+)(?:\[.*\])?(.*)", requirement).groups()
        found.setdefault(name.lower(), []).extend(re.findall(r"(>=|<|==)([0-9.]+)", bounds))
    return found


def number(version):
    return tuple(int(part) for part in version.split("."))


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_pinned_lies_in_the_ranges_of_the_project(variant):
    shared = pinned(variant).keys() & ranges().keys()
    assert shared >= {"contourpy", "numpy", "pillow", "pyyaml", VARIANTS[variant].engine}
    for name in shared:
        version = number(pinned(variant)[name])
        for sign, bound in ranges()[name]:
            holds = {">=": version >= number(bound), "<": version < number(bound), "==": version == number(bound)}
            assert holds[sign], (name, version, sign, bound)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_package_has_hashes_and_pip_insists_on_them(variant):
    lines = (IMAGES / variant / "requirements.txt").read_text("utf-8").splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    for line, following in itertools.pairwise([*lines, ""]):
        if "==" in line:
            assert re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}( \\)?", following), line
        else:
            assert re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}( \\)?", line)
    assert "--require-hashes" in (IMAGES / variant / "Dockerfile").read_text("utf-8")


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_asked_for_is_what_is_locked(variant):
    lines = (IMAGES / variant / "requirements.in").read_text("utf-8").splitlines()
    names = {re.match(r"[a-z0-9-]+", line)[0]: line for line in lines}
    assert names.keys() == {"contourpy", "numpy", "pillow", "pyyaml", VARIANTS[variant].engine}
    assert names.keys() <= pinned(variant).keys()


def test_both_images_decode_and_resize_with_the_same_packages():
    cpu, gpu = pinned("cpu"), pinned("gpu")
    for name in ("contourpy", "numpy", "pillow", "pyyaml"):
        assert cpu[name] == gpu[name]


def test_engines_have_the_versions_that_the_images_are_called_by():
    assert pinned("cpu")["openvino"].startswith(f"{variants.OPENVINO}.")
    assert pinned("gpu")["tensorflow"].startswith(f"{variants.TENSORFLOW}.")
    assert any(name.startswith("nvidia-cudnn") for name in pinned("gpu"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_python_is_the_one_of_the_runtime(variant):
    dockerfile = (IMAGES / variant / "Dockerfile").read_text("utf-8")
    assert f"ARG PYTHON_VERSION={variants.PYTHON}\n" in dockerfile
    assert re.search(rf"^ARG BASE_IMAGE=python:{variants.PYTHON}-[a-z-]+(@sha256:[0-9a-f]{{64}})?$", dockerfile, re.M)
    assert f"useradd --uid {RUN_AS_USER} " in dockerfile
    assert not re.search(r"^USER ", dockerfile, re.M)  # nuclio installs its packages on top, as root


def test_deploy_sh_knows_the_same_images_and_python():
    text = DEPLOY.read_text("utf-8")
    assert f"readonly PYTHON_VERSION={variants.PYTHON}\n" in text
    assert f"readonly CPU_BASE_IMAGE={VARIANTS['cpu'].base_image}\n" in text
    assert f"readonly GPU_BASE_IMAGE={VARIANTS['gpu'].base_image}\n" in text


def test_deploy_sh_knows_the_same_names_of_nuclio():
    assert f"\n    {' | '.join(RESERVED_NAMES)}) fail " in DEPLOY.read_text("utf-8")


def test_shellcheck_finds_nothing():
    # `make setup` puts it beside Python, which need not be on PATH.
    shellcheck = shutil.which(
        "shellcheck", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([shellcheck, "-x", *SCRIPTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_checkout_gives_scripts_windows_line_ends():
    rules = (ROOT / ".gitattributes").read_text("utf-8").splitlines()
    assert {"*.sh text eol=lf", "Dockerfile text eol=lf"} <= set(rules)
    assert not [path for path in SCRIPTS if b"\r" in path.read_bytes()]


def test_deploy_sh_can_be_executed():
    assert (ROOT / "deploy.sh").stat().st_mode & 0o111 == 0o111
