"""A function is called ready when it answers; logs and states are those of nuclio 1.14.1 in Docker 20.10."""

import os
import shlex
import sys
import threading
from pathlib import Path

import pytest

ASK = "docker exec nuclio-nuclio-cats"
STATE = "docker inspect --type container --format {{.State.Status}}"
NOT_YET = {"out": "503\n"}
RESET = {"code": 1, "out": ""}
AS_USUAL = {"as usual": True}
COLOURS = "26.11.29 23:16:57.901 \x1b[33m(W)\x1b[0m \x1b[37m-manager.event-connection\x1b[0m "
INIT_FAILED = (
    '{"datetime": "2026-11-29 23:16:57,964", "level": "debug", "message": "Connecting to socket", "with": {}}\n'
    "Traceback (most recent call last):\n"
    '  File "/opt/nuclio/runtime/function_file.py", line 58, in rename_classes\n'
    "    raise LabelError(\n"
    "runtime.errors.LabelError: function.yaml: label ids [0] in metadata.annotations.spec; expected 0 to 1.\n"
    f'{COLOURS}Failed to read control message {{"errRootCause": "EOF"}}\n'
    f'{COLOURS}Failed to read from event connection {{"err": "EOF"}}\n'
    "panic: Wrapper process for worker 1 exited unexpectedly with: exit status 1\n"
)


def import_failed(err):
    """What nuclio's wrapper prints when main.py cannot be imported; `err` is JSON."""
    return (
        '{"datetime": "2026-11-29 23:20:07,210", "level": "error", "message": "Caught unhandled exception while '
        f'initializing", "with": {{"worker_id": "0", "err": {err}, "traceback": "Traceback (most recent call last):\\n'
        '  File \\"/opt/nuclio/main.py\\"\\nSyntaxError: invalid syntax\\n"}}\n'
        f'{COLOURS}Failed to read from event connection {{"err": "EOF"}}\n'
    )


def failed(machine, functions, answers, *arguments):
    """The sentence of a first deployment that nuctl calls ready and that fails."""
    functions()
    machine.answer({ASK: RESET, **answers})
    done = machine.deploy("cpu", *arguments)
    (line,) = done.table
    assert done.code == 1
    assert line.startswith("cats  failed     -      ")
    return line.removeprefix("cats  failed     -      ")


def test_ready_is_said_when_every_worker_is(machine, functions):
    functions()
    machine.answer({ASK: [RESET, RESET, NOT_YET, NOT_YET, AS_USUAL]})
    done = machine.deploy("cpu")
    assert (done.code, done.table) == (0, [f"cats  ready      {machine.port}"])
    assert "Waiting until cats answers (up to 300 s) ..." in done.err
    assert (
        len([call for call in done.calls if call[:2] == ["docker", "exec"]]) == 5
    )  # the first looks for a version before


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        (INIT_FAILED, "function.yaml: label ids [0] in metadata.annotations.spec; expected 0 to 1."),
        (import_failed('"invalid syntax (main.py, line 68)"'), "invalid syntax (main.py, line 68)"),
        (import_failed("\"No module named 'scipy'\""), "No module named 'scipy'"),
        (import_failed(r'"C:\\new \"x\"\tend\nsecond line"'), 'C:\\new "x" end'),
        (import_failed(r'"red\u001b[31m"'), r"red\u001b[31m"),
        (
            import_failed("\"Exception from src/core.cpp:132:\\nCheck 'a' failed at b.cpp:9:\\nIncorrect weights!\""),
            "Incorrect weights!",
        ),
        (
            "panic: Wrapper process for worker 0 exited unexpectedly with: signal: killed\n",
            "A worker was killed, most likely for want of memory. Give the container more, or deploy with fewer "
            "workers.",
        ),
        (
            "exec /usr/local/bin/processor: exec format error\n",
            "nuclio's processor in the image is for another processor architecture than this machine's. Take nuctl and "
            "images for this one, or use preannotate serve.",
        ),
    ],
)
def test_a_function_that_crashes_again_and_again_is_not_ready_and_its_log_says_why(machine, functions, log, sentence):
    answers = {STATE: {"out": "running false 2 1\n"}, "docker logs": {"out": log}}
    assert failed(machine, functions, answers) == sentence


def test_too_little_memory(machine, functions):
    answers = {STATE: {"out": "restarting true 137 1\n"}, "docker logs": {"out": INIT_FAILED}}
    assert failed(machine, functions, answers) == (
        "It was killed for want of memory. Give the container more (--resource-limit memory=4Gi after --), or deploy "
        "with fewer workers (numWorkers)."
    )


def test_too_little_memory_that_docker_forgets_at_the_next_start(machine, functions):
    states = [{"out": "running true 0 0\n"}, {"out": "running false 0 1\n"}]
    assert failed(machine, functions, {STATE: states, "docker logs": {"out": ""}}).startswith("It was killed for want")


def test_too_little_memory_for_nuclio_s_processor_itself_which_leaves_no_word(machine, functions):
    report = "\nError - Container wasn't healthy in time\n\nCall stack:\nFunction wasn't ready in time. Logs:\n"
    states = [{"out": "running false 0 3\n"}, {"out": "running false 0 3\n"}, {"out": "restarting true 137 3\n"}]
    answers = {"nuctl deploy cats": {"code": 1, "out": report}, STATE: states, "docker logs": {"out": "Starting\n"}}
    assert failed(machine, functions, answers).startswith("It was killed for want of memory.")


def test_a_container_that_has_ended(machine, functions):
    answers = {STATE: {"out": "exited false 1 0\n"}, "docker logs": {"out": ""}}
    assert failed(machine, functions, answers) == (
        "It ends soon after it is started (exit code 1). Look at its log: docker logs nuclio-nuclio-cats"
    )


def test_one_restart_without_a_known_cause_is_waited_for(machine, functions):
    functions()
    machine.answer(
        {ASK: [RESET, RESET, RESET, AS_USUAL], STATE: {"out": "running false 2 1\n"}, "docker logs": {"out": ""}}
    )
    assert machine.deploy("cpu").table == [f"cats  ready      {machine.port}"]


def test_a_container_that_is_gone(machine, functions):
    assert failed(machine, functions, {STATE: {"code": 1, "out": ""}}) == (
        "Its container nuclio-nuclio-cats is gone. Deploy it again."
    )


def test_a_function_that_needs_too_long(machine, functions):
    answers = {ASK: NOT_YET, "docker logs": {"out": "loading\n"}}
    assert failed(machine, functions, answers, "--timeout", "1") == (
        "It does not answer after 1 s. Wait longer with --timeout, or look at its log: docker logs nuclio-nuclio-cats"
    )


def test_nuctl_s_lines_are_shown_while_it_works(machine, functions):
    """A line is shown before nuctl ends: here nuctl ends because it was shown."""
    functions()
    seen = machine.folder / "seen"
    waiting = f"echo '(I) nuctl Building'; read -r line <'{seen}'; echo \"$line\""
    os.mkfifo(seen)
    real = shlex.join(
        [sys.executable, "-IS", str(Path(__file__).with_name("fake_tools.py")), str(machine.folder), "nuctl"]
    )
    machine.install("nuctl", ["sh", "-c", f'case $1 in deploy) {waiting} ;; esac; exec {real} "$@"', "nuctl"])
    done = {}
    printed = machine.folder / "out"
    printed.touch()

    def deploy():
        done["it"] = machine.run(
            [
                "sh",
                "-c",
                f"{shlex.quote(str(Path(__file__).parents[3] / 'deploy.sh'))} cpu | tee {shlex.quote(str(printed))}",
            ]
        )

    thread = threading.Thread(target=deploy)
    thread.start()
    while thread.is_alive() and "Building" not in printed.read_text():
        thread.join(0.05)
    assert thread.is_alive()
    with seen.open("w") as file:
        file.write("(I) nuctl Done\n")
    thread.join()
    assert "(I) nuctl Done" in done["it"].out
