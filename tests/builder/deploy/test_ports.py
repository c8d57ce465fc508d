"""Each function has a port of its own that stays."""

import re
import socket

import pytest

BINDINGS = "docker inspect --type container --format {{range index .HostConfig.PortBindings"
PORTS_OF_OTHERS = "docker inspect --type container --format {{range .HostConfig.PortBindings}}"


def ports(machine, name="cats"):
    """The ports in the function.yaml that nuctl was given."""
    return re.findall(r"^ +port: (\d+)$", (machine.staged(name) / "function.yaml").read_text("utf-8"), re.M)


def test_the_first_free_one(machine, functions):
    functions()
    with socket.socket() as taken:
        taken.bind(("127.0.0.2", machine.port))
        taken.listen()
        machine.deploy("cpu")
    assert ports(machine) == [str(machine.port + 1)]


def test_the_one_of_a_container_that_is_stopped_is_not_free(machine, functions):
    functions()
    machine.answer({"docker ps --all": {"out": "cvat_db\nother\n"}, PORTS_OF_OTHERS: {"out": f"\n{machine.port} \n"}})
    machine.deploy("cpu")
    assert ports(machine) == [str(machine.port + 1)]


def test_it_is_kept(machine, functions):
    functions()
    machine.deploy("cpu")
    functions("ants")
    machine.deploy("cpu")
    assert (ports(machine, "ants"), ports(machine)) == ([str(machine.port + 1)], [str(machine.port)])


def test_it_is_kept_where_the_container_is_gone_and_nuclio_remembers(machine, functions):
    functions()
    machine.state(functions={"cats": ["error", "21999"]})
    machine.answer({BINDINGS: {"code": 1, "out": ""}, "docker exec": {"code": 1, "out": ""}})
    machine.deploy("cpu", "--timeout", "1")
    assert ports(machine) == ["21999"]


def test_a_port_that_docker_chose_is_replaced(machine, functions):
    functions()
    answers = {BINDINGS: {"out": "\n"}, "nuctl get functions cats --platform local --output yaml": {"out": "spec:\n"}}
    machine.answer(answers)
    machine.deploy("cpu")
    assert ports(machine) == [str(machine.port)]


def test_that_of_function_yaml_and_that_of_the_command(machine, functions):
    path = functions() / "function.yaml"
    text = path.read_text("utf-8")
    path.write_text(re.sub(r"^( +)maxRequestBodySize: .*$", r"\g<0>\n\1port: 32001", text, flags=re.M), "utf-8")
    machine.deploy("cpu")
    assert ports(machine) == ["32001"]
    machine.deploy("cpu", "--port", "32002")
    assert ports(machine) == ["32002"]


def test_several_functions_get_several(machine, functions):
    for name in ("ants", "bees"):
        functions(name)
    done = machine.deploy("cpu")
    assert done.table == [f"ants  ready      {machine.port}", f"bees  ready      {machine.port + 1}"]


def test_none_where_nuclio_has_services_or_publishes_nothing(machine, functions):
    path = functions() / "function.yaml"
    machine.deploy("cpu", "--platform", "kube", "--registry", "mirror")
    assert ports(machine) == []
    text = path.read_text("utf-8")
    path.write_text(
        re.sub(r"^( +)maxRequestBodySize: .*$", r"\g<0>\n\1disablePortPublishing: true", text, flags=re.M), "utf-8"
    )
    machine.deploy("cpu")
    assert ports(machine) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "http"], "--port: 'http'; expected a number from 1 to 65535. Choose another port."),
        (["--port", "70000"], "--port: '70000'; expected a number from 1 to 65535. Choose another port."),
        (
            ["--port", "1", "--platform", "kube", "--registry", "r"],
            "--port: given for platform kube, where nuclio has services; expected it for platform local. Leave it out.",
        ),
        (["--port", "31005"], "--port: 2 function directories; expected one. Name it: functions/NAME."),
        (["--timeout", "0"], "--timeout: '0'; expected a number of seconds from 1 on. Choose another."),
    ],
)
def test_what_makes_no_sense(machine, functions, arguments, sentence):
    functions()
    functions("dogs")
    done = machine.deploy("cpu", *arguments)
    assert (done.code, done.err.splitlines()[-1]) == (2, f"error: {sentence}")
