"""Why a deployment failed, in one line; the reports are nuctl 1.14.1's and Docker's own words."""

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
