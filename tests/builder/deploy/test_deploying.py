"""deploy.sh cpu|gpu: the commands, what they get, and what is said."""

import re

import pytest

GOOD = ["nuctl", "deploy", "--project-name", "cvat", "--platform", "local"]
CONTAINER = "nuclio-nuclio-cats"
PORT_BINDINGS = '{{range index .HostConfig.PortBindings "8080/tcp"}}{{.HostPort}} {{end}}'
STATE = "{{.State.Status}} {{.State.OOMKilled}} {{.State.ExitCode}} {{.RestartCount}}"
CPU_FILES = {
    "function.yaml",
    "main.py",
    "model.bin",
    "model.json",
    "model.xml",
    "model_handler.py",
    "parity.json",
    "runtime",
}


def names(folder):
    return {path.name for path in folder.iterdir()}


def without_port(path, port):
    """The text of a staged function.yaml without the port that deploy.sh wrote into it."""
    text = path.read_text("utf-8")
    line = f"        port: {port}\n"
    assert text.count(line) == 1
    return text.replace(line, "")


def test_a_cpu_function_is_deployed_by_these_commands_and_no_others(machine, functions):
    functions()
    done = machine.deploy("cpu")
    assert done.code == 0, done.err
    staged = ["--path", "WORK/cats", "--file", "WORK/cats/function.yaml"]
    assert done.calls == [
        ["docker", "version", "--format", "{{.Server.Version}}"],
        ["nuctl", "version"],
        ["docker", "ps", "--filter", "name=^/?nuclio$", "--format", "{{.Image}}"],
        ["docker", "image", "inspect", "preannotate/openvino:2026.4-2-py3.11"],
        ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
        ["nuctl", "get", "projects", "cvat", "--platform", "local"],
        ["docker", "inspect", "--type", "container", "--format", PORT_BINDINGS, CONTAINER],
        ["nuctl", "get", "functions", "cats", "--platform", "local", "--output", "yaml"],
        ["docker", "ps", "--all", "--format", "{{.Names}}"],
        ["docker", "exec", CONTAINER, "python3", "-c", done.calls[9][-1]],
        [*GOOD, *staged],
        ["docker", "inspect", "--type", "container", "--format", STATE, CONTAINER],
        ["docker", "exec", CONTAINER, "python3", "-c", done.calls[9][-1]],
        ["nuctl", "get", "functions", "cats", "--platform", "local"],
        ["nuctl", "get", "functions", "cats", "--platform", "local"],
    ]
    assert done.out.splitlines()[-2:] == ["NAME  STATE      PORT   CAUSE", f"cats  ready      {machine.port}"]
    assert not list((machine.folder / "temporary files").iterdir())


def test_a_cpu_image_gets_no_saved_model(machine, functions):
    directory = functions()
    (directory / "runtime" / "__pycache__").mkdir()
    (directory / "runtime" / "__pycache__" / "boxes.cpython-311.pyc").touch()
    machine.deploy("cpu")
    staged = machine.staged("cats")
    assert names(staged) == CPU_FILES
    assert without_port(staged / "function.yaml", machine.port) == (directory / "function.yaml").read_text()
    assert names(staged / "runtime") == names(directory / "runtime") - {"__pycache__"}


def test_a_gpu_image_gets_no_ir_and_the_gpu_s_file_as_function_yaml(machine, functions):
    directory = functions()
    done = machine.deploy("gpu")
    staged = machine.staged("cats-gpu")
    assert names(staged) == CPU_FILES - {"model.xml", "model.bin"} | {"saved_model"}
    assert without_port(staged / "function.yaml", machine.port) == (directory / "function-gpu.yaml").read_text()
    assert done.table == [f"cats-gpu  ready      {machine.port}"]


def test_whoever_runs_in_the_container_may_read_what_is_staged(machine, functions):
    directory = functions()
    (directory / "model.bin").chmod(0o600)
    (directory / "runtime" / "engines").chmod(0o700)
    machine.deploy("cpu")
    assert (machine.staged("cats") / "model.bin").stat().st_mode & 0o777 == 0o644
    assert (machine.staged("cats") / "runtime" / "engines").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("where", ["functions", "functions/cats", "functions/cats/nuclio", "."])
def test_a_directory_may_be_named_in_several_ways(machine, functions, where):
    functions()
    assert machine.deploy("cpu", where).table == [f"cats  ready      {machine.port}"]


def test_the_same_directory_named_twice_is_deployed_once(machine, functions):
    functions()
    assert len(machine.deploy("cpu", "functions", "functions/cats").deployed()) == 1


def test_drafts_of_the_builder_are_passed_by(machine, functions):
    functions()
    functions("dogs", folder="functions/.dogs.draft")
    assert machine.deploy("cpu").table == [f"cats  ready      {machine.port}"]


def test_paths_with_spaces_quotes_and_dollars(machine, functions):
    folder = 'it\'s a "$HOME" `id`; x'
    functions(folder=folder)
    functions("dogs", folder=folder)
    done = machine.deploy("cpu", folder)
    assert done.table == [f"cats  ready      {machine.port}", f"dogs  ready      {machine.port + 1}"]
    assert names(machine.staged("dogs")) == CPU_FILES


def test_twice_in_a_row(machine, functions):
    functions()
    first, second, third = machine.deploy("cpu"), machine.deploy("cpu"), machine.deploy("cpu")
    assert (first.code, second.code, third.code) == (0, 0, 0)
    assert first.deployed() == second.deployed() == third.deployed()
    assert second.calls == third.calls


def test_the_first_deployment_of_all_makes_project_and_base_image(machine, functions):
    functions()
    machine.state(images=[], project=False)
    done = machine.deploy("cpu")
    assert ["docker", "build", "--tag", "preannotate/openvino:2026.4-2-py3.11", "WORK/base"] in done.calls
    assert ["nuctl", "create", "project", "cvat", "--platform", "local"] in done.calls
    assert names(machine.staged("base")) == {"Dockerfile", "requirements.txt", "wheels", "certificates"}
    assert names(machine.staged("base") / "wheels") == set()
    again = machine.deploy("cpu")
    assert not [call for call in again.calls if call[1] in ("build", "create")]


def test_the_gpu_has_a_base_image_of_its_own(machine, functions):
    functions()
    machine.state(images=[])
    machine.deploy("gpu")
    assert "tensorflow==" in (machine.staged("base") / "requirements.txt").read_text()


def test_rebuild_base_builds_what_is_there_on_the_base_that_the_environment_names(machine, functions):
    functions()
    done = machine.deploy("cpu", "--rebuild-base", BASE_IMAGE="mirror/python:3.11")
    (build,) = [call for call in done.calls if call[1] == "build"]
    assert build[2:] == [
        "--tag",
        "preannotate/openvino:2026.4-2-py3.11",
        "--build-arg",
        "BASE_IMAGE=mirror/python:3.11",
        "WORK/base",
    ]


def test_wheels_are_given_to_the_build_and_nothing_is_pulled(machine, functions):
    functions()
    machine.state(images=[])
    wheels = machine.folder / "my wheels"
    wheels.mkdir()
    (wheels / "numpy-2.whl").touch()
    (wheels / "notes.txt").touch()
    done = machine.deploy("cpu", "--wheels", "my wheels")
    assert names(machine.staged("base") / "wheels") == {"numpy-2.whl"}
    assert done.deployed()[0][:7] == [*GOOD, "--no-pull"]


def test_what_follows_the_dashes_is_nuctl_s(machine, functions):
    functions()
    done = machine.deploy("cpu", "--", "--env", "NOTE=two words", "--verbose")
    assert done.deployed()[0][-3:] == ["--env", "NOTE=two words", "--verbose"]


def test_kubernetes_pulls_from_a_registry(machine, functions):
    functions()
    done = machine.deploy("cpu", "--platform", "kube", "--registry", "mirror:5000/team/")
    beginning = ["nuctl", "deploy", "--project-name", "cvat", "--platform", "kube", "--registry", "mirror:5000/team"]
    assert done.deployed()[0][: len(beginning)] == beginning
    assert done.deployed() == machine.deploy("cpu", "--platform", "kube", NUCTL_REGISTRY="mirror:5000/team").deployed()


def test_another_name_for_another_gpu(machine, functions):
    functions()
    done = machine.deploy("gpu", "--name", "cats-gpu-1", "--", "--env", "CUDA_VISIBLE_DEVICES=1")
    assert done.table == [f"cats-gpu-1  ready      {machine.port}"]
    text = (machine.staged("cats-gpu-1") / "function.yaml").read_text("utf-8")
    assert re.findall(r"^ +name: (.*)$", text, re.M) == ['"cats-gpu-1"', '"cats-gpu-1"', "always"]
    assert re.search(r'^    image: "preannotate.cats-gpu-1:[0-9a-f]{16}"$', text, re.M)
    assert "function.yaml.before" not in names(machine.staged("cats-gpu-1"))


def test_a_failing_function_stops_no_other(machine, functions):
    for name in ("ants", "bees", "cats"):
        functions(name)
    machine.answer({"nuctl deploy bees": {"code": 1, "out": "\nError - it rained in\n    a.go:1\n"}})
    done = machine.deploy("cpu")
    assert done.code == 1
    assert done.table == [
        f"ants  ready      {machine.port}",
        "bees  failed     -      it rained in",
        f"cats  ready      {machine.port + 2}",
    ]
    assert "What nuctl said, in full: WORK" in done.err
    (work,) = (machine.folder / "temporary files").iterdir()
    assert names(work) == {"bees.log"}
    assert "it rained in" in (work / "bees.log").read_text()


def test_a_function_that_nuctl_calls_unhealthy_is_not_deployed(machine, functions):
    functions()
    machine.answer({"nuctl get functions cats": {"out": " NAME | STATE \n cats | unhealthy \n"}})
    done = machine.deploy("cpu")
    assert (done.code, done.table) == (1, ["cats  unhealthy  -"])


def test_a_dry_run_asks_nobody_and_changes_nothing(machine, functions):
    directory = functions(folder="my functions")
    machine.state(images=[], project=False)
    before = (machine.folder / "state.json").read_text()
    machine.without("nuctl")
    machine.without("docker")
    done = machine.deploy("cpu", "my functions", "--dry-run")
    assert (done.code, done.calls) == (0, [])
    assert done.table == ["cats  dry run    -"]
    assert (machine.folder / "state.json").read_text() == before
    assert not list((machine.folder / "temporary files").iterdir())
    lines = done.out.splitlines()
    assert lines[0] == "mkdir -m 700 WORK"
    assert lines[3] == (
        "docker image inspect preannotate/openvino:2026.4-2-py3.11 >/dev/null 2>&1 || "
        "docker build --tag preannotate/openvino:2026.4-2-py3.11 WORK/base"
    )
    assert lines[4] == (
        "nuctl get projects cvat --platform local | grep -Eq \\^\\[\\^\\|\\]\\*\\[\\|\\]\\ \\*cvat\\(\\ \\|\\$\\) || "
        "nuctl create project cvat --platform local"
    )
    assert f"cp -RL {str(directory / 'main.py').replace(' ', chr(92) + ' ')} WORK/cats" in lines
    assert lines[-2:] == [
        "nuctl deploy --project-name cvat --platform local --path WORK/cats --file WORK/cats/function.yaml",
        "rm -rf WORK",
    ]


def test_the_commands_of_a_dry_run_do_what_a_run_does(machine, functions):
    functions(folder="my functions")
    arguments = ("gpu", "my functions", "--name", "cats-2", "--", "--env", "NOTE=it's")
    machine.state(images=[], project=False)
    dry = machine.deploy(*arguments[:4], "--dry-run", *arguments[4:])
    by_hand = machine.run(["bash", "-euo", "pipefail"], dry.script)
    assert by_hand.code == 0, by_hand.err
    staged = names(machine.staged("cats-2"))
    machine.state(images=[], project=False, functions={})
    real = machine.deploy(*arguments)
    assert staged == names(machine.staged("cats-2"))
    changes = [[call for call in done.calls if call[1] in ("build", "create", "deploy")] for done in (by_hand, real)]
    assert changes[0] == changes[1]
    assert [call[1] for call in changes[0]] == ["build", "create", "deploy"]


def test_nobody_who_lists_processes_reads_a_secret(machine, functions):
    functions()
    done = machine.deploy("cpu", "--platform", "kube", "--registry", "mirror/team", REGISTRY_PASSWORD="hush")
    assert "hush" not in str(done.calls)


def test_help_names_every_command_and_option(machine):
    done = machine.deploy("--help")
    assert done.code == 0
    for word in ("cpu|gpu", "list", "rollback", "delete", "--check", "--dry-run", "--name", "--platform"):
        assert word in done.out
    for word in (
        "--rebuild-base",
        "--registry",
        "--wheels",
        "--no-pull",
        "--port",
        "--timeout",
        "BASE_IMAGE",
        "Port 8070",
    ):
        assert word in done.out
    assert machine.deploy().err == done.out
