"""Docker and nuctl that are missing, broken, too old or of two minds."""

import pytest


def refusal(machine, *arguments):
    done = machine.deploy(*arguments)
    assert done.code == 2
    assert done.deployed() == []
    return done.err.splitlines()[-1]


def test_no_docker(machine, functions):
    functions()
    machine.without("docker")
    assert refusal(machine, "cpu") == (
        "error: docker: no such command; expected Docker's command line. Install Docker."
    )


def test_docker_does_not_answer(machine, functions):
    functions()
    machine.answer({"docker version": {"code": 1, "out": "Cannot connect to the Docker daemon.\nIs it running?\n"}})
    assert refusal(machine, "cpu") == (
        "error: docker: the engine does not answer (Cannot connect to the Docker daemon.); expected it to run. "
        "Start Docker, or let your user use it."
    )


def test_no_nuctl(machine, functions):
    functions()
    machine.without("nuctl")
    assert refusal(machine, "cpu") == (
        "error: nuctl: no such command; expected nuclio's command line. "
        "Download the version of your dashboard from nuclio's releases."
    )


@pytest.mark.parametrize("version", ["1.8.14", "1.11.24", "0.9"])
def test_nuctl_is_too_old(machine, functions, version):
    functions()
    machine.answer({"nuctl version": {"out": f'Client version:\n"Label: {version}, Git commit: 0"\n'}})
    assert refusal(machine, "cpu") == (
        f"error: nuctl: version {version}; expected 1.13 or newer, which knows python:3.11 and numWorkers. "
        f"Update CVAT's nuclio and nuctl."
    )


@pytest.mark.parametrize("version", ["1.13.0", "1.15.9", "2.0.1", "latest"])
def test_nuctl_is_new_enough_or_says_nothing(machine, functions, version):
    functions()
    machine.answer({"nuctl version": {"out": f'Client version:\n"Label: {version}, Git commit: 0"\n'}})
    done = machine.deploy("cpu")
    assert (done.code, "warning" in done.err) == (0, False)


@pytest.mark.parametrize(("nuctl", "dashboard"), [("1.13.0", "1.15.9"), ("1.15.9", "1.13.0"), ("1.13.0", "1.13.2")])
def test_nuctl_is_older_or_newer_than_the_dashboard(machine, functions, nuctl, dashboard):
    functions()
    machine.answer(
        {
            "nuctl version": {"out": f'Client version:\n"Label: {nuctl}, Git commit: 0"\n'},
            "docker ps": {"out": f"nuclio/dashboard:{dashboard}-amd64\n"},
        }
    )
    done = machine.deploy("cpu")
    assert done.code == 0
    assert done.err.splitlines()[0] == (
        f"warning: nuctl: version {nuctl}, and the dashboard in container nuclio is {dashboard}; expected the same. "
        f"Install nuctl {dashboard} if something goes wrong."
    )


def test_nuctl_and_the_dashboard_agree(machine, functions):
    functions()
    machine.answer({"docker ps": {"out": "nuclio/dashboard:1.13.0-amd64\n"}})
    assert "warning" not in machine.deploy("cpu").err


def test_the_project_cannot_be_created(machine, functions):
    functions()
    machine.state(project=False)
    machine.answer({"nuctl create project": {"code": 1, "out": "\nError - no permission\n    a.go:1\n"}})
    assert refusal(machine, "cpu") == (
        "error: project cvat: nuctl could not create it (no permission); expected it to. Nothing was deployed."
    )


def test_the_project_exists_after_all(machine, functions):
    functions()
    machine.state(project=False)
    machine.answer({"nuctl create project": {"code": 1, "out": 'projects "cvat" already exists\n'}})
    assert machine.deploy("cpu").code == 0


def test_the_base_image_cannot_be_built(machine, functions):
    functions()
    machine.state(images=[])
    machine.answer({"docker build": {"code": 1, "out": "no such host\n"}})
    assert refusal(machine, "cpu") == (
        "error: preannotate/openvino:2026.4-2-py3.11: docker build failed (no such host); expected a base image. "
        "Nothing was deployed."
    )
    assert not list((machine.folder / "temporary files").iterdir())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tpu"], "tpu: no such command; expected cpu, gpu, list, rollback or delete. See ./deploy.sh --help."),
        (["cpu", "--gpus"], "--gpus: no such option; expected one of ./deploy.sh --help. Put flags of nuctl after --."),
        (["cpu", "--wheels"], "--wheels: no value; expected one after it. See ./deploy.sh --help."),
        (
            ["cpu", "--wheels", "my wheels"],
            "--wheels: no *.whl in 'my wheels'; expected a directory with wheel files. "
            "Fill it as docs/deploying.md says.",
        ),
        (["cpu", "--platform", "swarm"], "--platform: 'swarm'; expected local or kube. Choose one."),
        (
            ["cpu", "--platform", "kube"],
            "--registry: none given for platform kube; expected the one that the cluster pulls images from. "
            "Add --registry R.",
        ),
        (
            ["cpu", "--registry", "mirror"],
            "--registry: given for platform local, which runs this machine's images; expected it with "
            "--platform kube. Leave it out.",
        ),
        (
            ["cpu", "--name", "My Cats"],
            "--name: 'My Cats'; expected at most 56 lower-case letters, digits and hyphens. Choose another name.",
        ),
        (["cpu", "--name", "dlx"], "--name: 'dlx' is nuclio's own; expected another name. Choose one."),
        (
            ["cpu", "--name", "mine"],
            "--name: 2 function directories; expected one. Name it: functions/NAME.",
        ),
    ],
)
def test_arguments_that_make_no_sense(machine, functions, arguments, sentence):
    functions()
    functions("dogs")
    assert refusal(machine, *arguments) == f"error: {sentence}"
