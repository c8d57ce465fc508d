"""Why a deployment failed, in one line; the reports are nuctl 1.14.1's and Docker's own words."""

import subprocess
from pathlib import Path

import pytest

NOT_READY = (
    "\nError - Container wasn't healthy in time\n    a.go:1\n\nCall stack:\nFunction wasn't ready in time. Logs:\n"
)
LOG = """\
26.11.23 02:39:08.737 \x1b[34m(I)\x1b[0m processor Starting processor
Traceback (most recent call last):
  File "/opt/nuclio/main.py", line 16, in init_context
    raise LabelError(
     ^^^^runtime.errors.LabelError: function.yaml: label ids [0, 9]; expected 0 to 1.
26.11.23 02:39:09.505 \x1b[31m(E)\x1b[0m Unexpected termination of child process {"status": "exit status 1"}
panic: Wrapper process for worker 1 exited unexpectedly with: exit status 1
"""


def command_failed(stderr, stdout=""):
    return (
        f"(I) nuctl Building\n\nError - exit status 1\n    ...shellrunner.go:114\n\nCall stack:\nstdout:\n{stdout}\n"
        f"stderr:\n{stderr}\n\n    ...shellrunner.go:114\nFailed to build processor image\n    ...builder.go:276\n"
    )


def cause(machine, functions, report, log=None):
    functions()
    logs = {"code": 1, "out": "No such container\n"} if log is None else {"out": log}
    machine.answer({"nuctl deploy cats": {"code": 1, "out": report}, "docker logs": logs})
    done = machine.deploy("cpu")
    assert done.code == 1
    (line,) = done.table
    assert line.startswith("cats  failed     -      ")
    return line.removeprefix("cats  failed     -      ")


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (
            'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].\n',
            "Docker has no GPU for containers. Install the NVIDIA Container Toolkit, and restart Docker.",
        ),
        (
            "driver failed: Bind for 0.0.0.0:32001 failed: port is already allocated.\n",
            "The port of the function is taken. Choose another with --port, or remove what listens there.",
        ),
        (
            "Error response from daemon: Container nuclio-local-storage-reader is not running\n",
            "nuclio's store container is broken. Run: docker rm -f nuclio-local-storage-reader",
        ),
        (
            command_failed("Error response from daemon: Could not find the file /home/nuclio/bin/py3.11-whl in a1b2"),
            "This nuctl brings no packages for python:3.11. Install nuctl 1.13 to 1.16.",
        ),
        (
            "Function cannot be updated when existing function is being provisioned",
            "An interrupted deployment left it half done. Run: ./deploy.sh delete cats",
        ),
        (
            command_failed('Error response from daemon: Get "https://mirror/v2/": dial tcp: no such host'),
            "The registry mirror cannot be reached. Look at network and proxy; with the images loaded (docker load "
            "--input FILE), deploy with --no-pull.",
        ),
        (
            command_failed(
                "The command '/bin/sh -c pip' returned a non-zero code: 1", "ERROR: No matching distribution"
            ),
            "No matching distribution",
        ),
        (
            command_failed(
                "", "WARNING: x\n43ed\ndocker: Error response from daemon: no such bridge\n\nRun 'docker --help'"
            ),
            "Error response from daemon: no such bridge",
        ),
        (command_failed("sh: docker: not found"), "sh: docker: not found"),
        (command_failed(""), "exit status 1"),
        ("\nError - unknown flag: --no-pul\n    a.go:1\n\nCall stack:\nunknown flag\n", "unknown flag: --no-pul"),
        ("Segmentation fault\n", "Segmentation fault"),
    ],
)
def test_what_nuctl_reports(machine, functions, report, sentence):
    assert cause(machine, functions, report) == sentence


def test_what_python_said_last_in_the_container(machine, functions):
    sentence = "function.yaml: label ids [0, 9]; expected 0 to 1."
    assert cause(machine, functions, NOT_READY, LOG) == sentence


def test_the_log_in_nuctl_s_report_serves_where_the_container_is_gone(machine, functions):
    sentence = "function.yaml: label ids [0, 9]; expected 0 to 1."
    assert cause(machine, functions, NOT_READY + LOG) == sentence


def test_a_worker_out_of_memory(machine, functions):
    log = "panic: Wrapper process for worker 0 exited unexpectedly with: signal: killed\n"
    assert cause(machine, functions, NOT_READY, log) == (
        "A worker was killed, most likely for want of memory. Give the container more, or deploy with fewer workers."
    )


def test_nothing_to_be_found_in_the_log(machine, functions):
    assert cause(machine, functions, NOT_READY, "loading\n") == (
        "It was not ready in time; its log: docker logs nuclio-nuclio-cats"
    )


def test_the_container_s_whole_log_is_not_shown_above_the_table(machine, functions):
    functions()
    machine.answer({"nuctl deploy cats": {"code": 1, "out": "(I) nuctl Building\n" + NOT_READY + LOG}})
    done = machine.deploy("cpu")
    assert "(I) nuctl Building\n" in done.out
    assert "Traceback" not in done.out


SOLVE = "ERROR: failed to solve: "
DAEMON = "docker: Error response from daemon: "


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (command_failed(SOLVE + "open /var/snap/docker/common/tmp/Dockerfile: no such file or directory"), ("snap",)),
        (command_failed(SOLVE + "unexpected status code 429 Too Many Requests"), ("docker login", "later")),
        (command_failed("toomanyrequests: You have reached your unauthenticated pull rate limit."), ("docker login",)),
        (command_failed(SOLVE + "write /var/lib/docker/x: no space left on device"), ("room", "docker system df")),
        (command_failed("", "OSError: [Errno 122] Disk quota exceeded"), ("room",)),
        (DAEMON + "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown.\n", ("driver",)),
        (DAEMON + "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.5\n", ("driver",)),
        (DAEMON + "unknown or invalid runtime name: nvidia.\n", ("NVIDIA Container Toolkit",)),
        (command_failed(SOLVE + "no match for platform in manifest: not found"), ("architecture",)),
        (command_failed("exec /bin/sh: exec format error"), ("architecture",)),
        (
            command_failed("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] self-signed'))"),
            ("--ca-certificates",),
        ),
        (command_failed('Get "https://mirror/v2/": x509: certificate signed by unknown authority'), ("authority",)),
        (command_failed(DAEMON + 'Get "https://mirror/v2/": net/http: TLS handshake timeout'), ("mirror", "--no-pull")),
        (
            command_failed("", "Unable to find image 'mirror/alpine:3.20' locally\n" + DAEMON + "no route to host."),
            ("mirror/alpine:3.20", "docker load"),
        ),
        (command_failed("pull access denied for nuclio/uhttpc, repository does not exist"), ("docker load",)),
        (command_failed("manifest for quay/nuclio:1.9 not found: manifest unknown"), ("docker load",)),
        (
            command_failed(SOLVE + "mirror/py:3: failed to resolve source metadata for mirror/py:3: no"),
            ("mirror/py:3",),
        ),
        (command_failed("unauthorized: authentication required"), ("docker login REGISTRY",)),
        ("\nError - illegal base64 data at input byte 7\n    store.go:1\n", ("docker rm -f", "podman")),
        ("/usr/bin/env: 'bash\\r': No such file or directory\n", ("Windows",)),
        ("deploy.sh: line 3: $'\\r': command not found\n", ("Windows",)),
        ("The command 'docker' could not be found in this WSL 2 distro.\n", ("WSL",)),
        (DAEMON + 'error mounting "/run/desktop/mnt/host/c/x" to rootfs: not a directory\n', ("WSL",)),
        ("Error response from daemon: client version 1.42 is too old. Minimum is 1.44\n", ("1.15.9", "Docker 29")),
        ("\nError - stat /home/u/.kube/config: invalid configuration: no configuration has been provided\n", ("kube",)),
        ('Get "http://localhost:8080/api": dial tcp [::1]:8080: connect: connection refused\n', ("NUCTL_PLATFORM",)),
        ("Unable to use a TTY: BuildKit is enabled but the buildx component is missing or broken.\n", ("buildx",)),
        (DAEMON + 'Conflict. The container name "/nuclio-nuclio-cats" is already in use\n', ("docker rm -f nuclio-",)),
        (DAEMON + "network cvat_cvat not found.\n", ("cvat_cvat",)),
        (DAEMON + "could not find an available, non-overlapping IPv4 address pool\n", ("docker network prune",)),
        (command_failed("", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE FILE."), ("Download the wheels",)),
        (command_failed("", "NewConnectionError: [Errno -3] Temporary failure in name resolution"), ("--wheels",)),
        ("Got permission denied while trying to connect to the Docker daemon socket\n", ("usermod",)),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n", ("Start it",)),
        (DAEMON + "Ports are not available: listen tcp 0.0.0.0:31001: bind: address already in use\n", ("--port",)),
    ],
)
def test_what_people_post_has_a_remedy(report, words):
    """The sentences themselves, from the one function that `cause` asks: starting deploy.sh for each takes a second."""
    call = 'PYTHON_VERSION=3.11 && . "$1/output.sh" && . "$1/failure_cause.sh" && nuctl_error'
    scripts = Path(__file__).parents[3] / "builder" / "deploy"
    done = subprocess.run(
        ["bash", "-c", call, "bash", scripts], input=report, capture_output=True, text=True, check=True
    )
    (sentence,) = done.stdout.splitlines()
    assert [word for word in words if word not in sentence] == []
    assert sentence.endswith((".", "nodocker", "--hard", "prune", "FILE", "cats", "reader", "..."))
    assert len(sentence) < 260


def test_the_base_image_has_the_same_remedies(machine, functions):
    functions()
    machine.state(images=[])
    machine.answer({"docker build": {"code": 1, "out": "SSLError: self-signed certificate in certificate chain\n"}})
    done = machine.deploy("cpu")
    assert (done.code, done.deployed()) == (2, [])
    assert "docker build failed (A certificate of your network is not known inside the build." in done.err


def test_a_company_s_own_certificates_reach_the_build(machine, functions):
    functions()
    machine.state(images=[])
    (machine.folder / "our.pem").write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    machine.deploy("cpu", "--ca-certificates", "our.pem", PIP_INDEX_URL="https://user:secret@mirror")
    assert (machine.staged("base") / "certificates" / "authorities.pem").is_file()
    done = machine.deploy("cpu", "--ca-certificates", "functions")
    assert (done.code, done.err.splitlines()[-1]) == (
        2,
        "error: --ca-certificates: no certificate in 'functions'; expected a file in PEM format. Ask whoever runs your "
        "network for it.",
    )


def test_a_mirror_s_password_is_in_no_command_line(machine, functions):
    functions()
    machine.state(images=[])
    done = machine.deploy("cpu", PIP_INDEX_URL="https://user:secret@mirror")
    (build,) = [call for call in done.calls if call[1] == "build"]
    assert build[4:6] == ["--build-arg", "PIP_INDEX_URL"]
    assert "secret" not in str(done.calls)
