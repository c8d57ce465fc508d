from preannotate.diagnostics.finding import error, note
from preannotate.diagnostics.survey import Container, Port, Survey, survey


def test_no_docker(programs):
    assert survey() == note(
        "docker",
        "no such command.",
        "Install Docker if nuclio shall run here; `preannotate serve` serves functions without it.",
    )


def test_docker_may_not_be_used(docker):
    words = (
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "
        '"http://%2Fvar%2Frun%2Fdocker.sock/v1.24/version": dial unix /var/run/docker.sock: connect: permission denied'
    )
    docker.says({docker.version_of_engine: ("", words, 1)})

    assert survey() == error(
        "docker",
        "permission denied: the engine runs, and your user may not use it.",
        'sudo usermod -aG docker "$USER", then log in again; or run this with sudo.',
    )


def test_docker_does_not_run(docker):
    words = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n"
    docker.says({docker.version_of_engine: ("\n", words, 1)})

    assert survey() == error(
        "docker",
        "the engine does not answer (Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker "
        "daemon running?).",
        "Start it: sudo systemctl start docker (Linux), or open Docker Desktop; then run this again.",
    )


def test_a_machine_without_cvat(docker):
    docker.holds(docker.container("postgres"))

    assert survey() == Survey("27.3.1", {})
    assert [call[0] for call in docker.calls()] == ["version", "ps"]


def test_a_container_as_docker_describes_it(docker):
    container = docker.container(
        "nuclio-nuclio-cats",
        image="preannotate.cats:0123",
        status="restarting",
        restarts=7,
        state={"ExitCode": 137, "OOMKilled": True, "Health": {"Status": "unhealthy"}},
        config={
            "Labels": {"nuclio.io/function-name": "cats"},
            "Env": ["CVAT_SERVERLESS=1", "SECRET_KEY=top secret", "EMPTY"],
        },
        host={"ExtraHosts": ["host.docker.internal:host-gateway", "b=::1"], "DeviceRequests": [{"Count": -1}]},
        network={"Ports": {"8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}], "8081/tcp": None}},
    )
    docker.holds(container)
    found = survey()

    assert found.of_function("cats") == Container(
        name="nuclio-nuclio-cats",
        image="preannotate.cats:0123",
        status="restarting",
        health="unhealthy",
        exit_code=137,
        out_of_memory=True,
        restarts=7,
        labels={"nuclio.io/function-name": "cats"},
        settings={"CVAT_SERVERLESS": "1"},
        hosts=("host.docker.internal", "b"),
        ports=(Port("0.0.0.0", 32768, "8080/tcp"),),
        networks=frozenset({"cvat_cvat"}),
        gpu=True,
    )
    assert found.records is None
    assert "top secret" not in repr(found)


def test_the_running_dashboard_is_preferred(docker):
    image = "nuclio/dashboard:1.15.9-amd64"
    docker.holds(docker.container("old-nuclio", image, "exited"), docker.container("nuclio", image))

    assert survey().dashboard.name == "nuclio"


def test_what_nuclio_has_in_its_store(docker):
    docker.holds(docker.container("nuclio-local-storage-reader"))
    functions = [{"metadata": {"name": "cats"}}, {"metadata": {"name": "dogs"}}]
    docker.stores("functions", functions)
    docker.stores("projects", [{"meta": {"name": "cvat"}, "spec": {}}])
    found = survey()

    assert found.projects == {"cvat"}
    assert found.record("dogs") == functions[1]
    assert found.record("cows") is None


def test_an_empty_store_and_one_that_cannot_be_read(docker):
    docker.holds(docker.container("nuclio-local-storage-reader"))
    nothing = "cat: can't open '/etc/nuclio/store/functions/nuclio/*': No such file or directory"
    docker.says({f"{docker.store}functions": ("", nothing, 1), f"{docker.store}projects": ("no base64!\n", "", 0)})
    found = survey()

    assert found.records == ()
    assert found.projects is None


def test_only_questions_are_asked(docker):
    """docker has many commands; these change nothing."""
    docker.holds(docker.container("nuclio-local-storage-reader"))
    docker.stores("functions", [])
    docker.stores("projects", [])
    survey()

    assert [call[0] for call in docker.calls()] == ["version", "ps", "inspect", "exec", "exec"]
    assert [call[1:] for call in docker.calls()[3:]] == [
        ["nuclio-local-storage-reader", "/bin/sh", "-c", f"/bin/cat /etc/nuclio/store/{kind}/nuclio/*"]
        for kind in ("functions", "projects")
    ]
