"""The CPU image for real: built without a network, run as nuclio runs it, asked once.

Needs a Docker engine on this machine and three environment variables: BASE_IMAGE (an image with Python 3.11, pip and
venv), PREANNOTATE_WHEELS (a directory with the wheels of builder/images/cpu/requirements.txt, of nuclio-sdk and of
msgpack) and NUCLIO_WRAPPER (nuclio's _nuclio_wrapper.py).
"""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
BASE = "preannotate-test/base:test"
FUNCTION = "preannotate-test/function:test"
NEEDED = ("BASE_IMAGE", "PREANNOTATE_WHEELS", "NUCLIO_WRAPPER")

pytestmark = pytest.mark.slow


def docker(*arguments):
    done = subprocess.run(["docker", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def inside(*command):
    """What a command prints in the function's image, as its user."""
    return docker("run", "--rm", "--network", "none", FUNCTION, *command).strip()


@pytest.fixture(scope="session")  # before the function is built, which is another such
def engine():
    """Whether all of this is possible here."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"not set: {', '.join(missing)}")
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine answers")


@pytest.fixture(scope="module")
def staged(engine, squares_built, tmp_path_factory):
    """What deploy.sh gives to nuctl."""
    from tests.builder.deploy.conftest import Machine

    machine = Machine(tmp_path_factory.mktemp("machine"))
    done = machine.deploy("cpu", squares_built.directory)
    assert done.code == 0, done.err
    return machine.staged("squares")


@pytest.fixture(scope="module")
def image(staged, tmp_path_factory):
    """The function's image, made in the order of nuclio's own Dockerfile."""
    wheels = Path(os.environ["PREANNOTATE_WHEELS"])

    base = tmp_path_factory.mktemp("base")
    for name in ("Dockerfile", "requirements.txt"):
        shutil.copy(ROOT / "builder" / "images" / "cpu" / name, base)
    shutil.copytree(wheels, base / "wheels")
    (base / "certificates").mkdir()
    argument = f"BASE_IMAGE={os.environ['BASE_IMAGE']}"
    docker("build", "--network", "none", "--tag", BASE, "--build-arg", argument, base)

    context = tmp_path_factory.mktemp("function")
    shutil.copy(os.environ["NUCLIO_WRAPPER"], context / "_nuclio_wrapper.py")
    shutil.copytree(wheels, context / "whl")
    shutil.copytree(staged, context / "handler")
    build = yaml.safe_load((staged / "function.yaml").read_text("utf-8"))["spec"]["build"]
    lines = [
        f"FROM {BASE}",
        "COPY _nuclio_wrapper.py /opt/nuclio/",
        "COPY whl /opt/nuclio/whl",
        "COPY handler /opt/nuclio",
        "RUN python -m pip install nuclio-sdk msgpack --no-index --find-links /opt/nuclio/whl",
        *(f"{directive['kind']} {directive['value']}" for directive in build["directives"]["postCopy"]),
    ]
    (context / "Dockerfile").write_text("\n".join(lines) + "\n")
    docker("build", "--network", "none", "--tag", FUNCTION, context)
    yield FUNCTION
    docker("image", "rm", "--force", FUNCTION, BASE)


def test_python_and_python3_are_the_same_interpreter_of_the_runtime_s_version(image, staged):
    runtime = yaml.safe_load((staged / "function.yaml").read_text("utf-8"))["spec"]["runtime"]
    code = "import sys; print(sys.prefix, 'python:%d.%d' % sys.version_info[:2])"
    assert inside("python", "-c", code) == inside("python3", "-c", code)
    assert inside("python", "-c", code).endswith(f" {runtime}")


def test_nobody_runs_as_root_and_the_cache_can_be_written(image):
    assert inside("id", "-u") == "1000"
    assert (
        inside("sh", "-c", "touch /var/cache/preannotate/x ~/x && ! touch /opt/nuclio/x 2>/dev/null && echo ok") == "ok"
    )


def test_the_image_has_what_is_pinned_and_no_wheels(image):
    found = dict(line.split("==") for line in inside("python", "-m", "pip", "freeze").lower().splitlines())
    lines = (ROOT / "builder" / "images" / "cpu" / "requirements.txt").read_text("utf-8").splitlines()
    pinned = dict(line.removesuffix(" \\").split("==") for line in lines if "==" in line)
    assert {name: found.get(name) for name in pinned} == pinned
    assert inside("sh", "-c", "ls /build 2>/dev/null || echo none") == "none"


def test_the_container_answers_as_the_function_does_here(image, staged, squares_built, tmp_path):
    pytest.importorskip("msgpack")
    from tests.functions.nuclio_peer import NuclioWrapper

    photo = sorted((squares_built.directory.parent / "validation" / "images").iterdir())[0]
    body = json.dumps({"image": base64.b64encode(photo.read_bytes()).decode()}).encode()

    def answer(wrapper, directory, folder, **more):
        folder.mkdir()
        function = NuclioWrapper(wrapper, directory, folder, **more)
        reply = function.ask(body)
        function.close()
        assert (reply["status_code"], reply["content_type"]) == (200, "application/json")
        return [(shape["label"], shape["points"], float(shape["confidence"])) for shape in json.loads(reply["body"])]

    here = answer(Path(os.environ["NUCLIO_WRAPPER"]).resolve(), staged, tmp_path / "here")
    shared = tmp_path / "there"
    run = ["docker", "run", "--rm", "--network", "none", "--volume", f"{shared}:{shared}", "--env", "MODEL_THREADS=1"]
    before = os.umask(0)  # the container's user shall reach the sockets
    try:
        there = answer(
            Path("/opt/nuclio/_nuclio_wrapper.py"),
            staged,
            shared,
            python=[*run, "--env", "PYTHONPATH=/opt/nuclio", image, "python3"],
        )
    finally:
        os.umask(before)
    assert here
    assert [label for label, _, _ in there] == [label for label, _, _ in here]
    for (_, points, confidence), (_, expected_points, expected) in zip(there, here, strict=True):
        assert points == pytest.approx(expected_points, abs=0.05)
        assert confidence == pytest.approx(expected, abs=1e-3)
