from dataclasses import replace

import pytest

from preannotate.diagnostics import containers
from preannotate.diagnostics.finding import error, note, ok, warning
from preannotate.diagnostics.survey import Container, Port, Survey

COMPOSE = "docker compose -f docker-compose.yml -f components/serverless/docker-compose.serverless.yml up -d"
NETWORK = frozenset({"cvat_cvat"})
DASHBOARD = Container("nuclio", "nuclio/dashboard:1.13.0-amd64", "running", networks=NETWORK)
SERVER = Container(
    "cvat_server",
    "cvat/server:v2.15.0",
    "running",
    settings={"CVAT_SERVERLESS": "1"},
    hosts=("host.docker.internal",),
    networks=NETWORK,
)
WORKER = replace(SERVER, name="cvat_worker_annotation", settings={})


def machine(*found, engine="27.3.1"):
    return Survey(engine, {one.name: one for one in found})


def test_docker_and_the_dashboard_fit():
    assert list(containers.engine(machine(DASHBOARD))) == [ok("docker", "27.3.1")]


def test_docker_29_refuses_old_dashboards():
    new = replace(DASHBOARD, image="nuclio/dashboard:1.15.9-amd64")

    assert list(containers.engine(machine(new, engine="29.0.1"))) == [ok("docker", "29.0.1")]
    assert list(containers.engine(machine(engine="29.0.1"))) == [ok("docker", "29.0.1")]
    assert list(containers.engine(machine(DASHBOARD, engine="29.0.1"))) == [
        error(
            "docker",
            "29.0.1 refuses the client in nuclio's dashboard 1.13.0 (`client version 1.42 is too old`): the Models "
            "page fails.",
            "Update CVAT's nuclio to 1.15.9 (components/serverless/docker-compose.serverless.yml) and nuctl with it.",
        )
    ]


def test_docker_without_host_gateway():
    (found,) = containers.engine(machine(engine="19.03.13"))

    assert found == error(
        "docker",
        "19.03.13; expected 20.10 or newer, which knows host-gateway: CVAT cannot reach functions.",
        "Update Docker.",
    )


def nuctl(programs, label):
    text = f'Client version:\n"Label: {label}, Git commit: 4d67f0d, OS: linux, Arch: amd64, Go version: go1.21.7"\n'
    programs.add("nuctl", {"version": (text, "", 0)})
    (found,) = containers.nuctl(machine(DASHBOARD))
    return found


def test_nuctl_is_as_old_as_the_dashboard(programs):
    assert nuctl(programs, "1.13.0") == ok("nuctl", "1.13.0")


def test_nuctl_of_another_version_than_the_dashboard(programs):
    assert nuctl(programs, "1.14.1") == warning(
        "nuctl",
        "1.14.1, and the dashboard is 1.13.0; expected the same.",
        "Download nuctl 1.13.0 from github.com/nuclio/nuclio/releases.",
    )


def test_nuctl_that_is_too_old(programs):
    assert nuctl(programs, "1.8.14") == error(
        "nuctl",
        "1.8.14; expected 1.13 or newer, which knows python:3.11 and numWorkers.",
        "Download nuctl 1.13.0 from github.com/nuclio/nuclio/releases.",
    )


def test_nuctl_built_from_source(programs):
    assert nuctl(programs, "unknown").severity == "note"


@pytest.mark.parametrize(("tag", "severities"), [("1.13.0-amd64", ["ok"]), ("1.14.1-amd64", ["ok", "note"])])
def test_the_image_that_nuctl_builds_with(programs, docker, monkeypatch, tag, severities):
    monkeypatch.setattr(containers.platform, "machine", lambda: "x86_64")
    name = "mirror.example.org/nuclio/handler-builder-python-onbuild"
    docker.says({"image ls": (f"postgres:15\n{name}:{tag}\n", "", 0)})
    programs.add("nuctl", {"version": ('"Label: 1.13.0, Git commit: 4d67f0d"', "", 0)})
    found = list(containers.nuctl(machine(DASHBOARD)))

    assert [finding.severity for finding in found] == severities
    if len(found) > 1:
        assert found[1] == note(
            "nuctl",
            "image nuclio/handler-builder-python-onbuild:1.13.0-amd64 is not here: nuctl pulls it when it builds.",
            "Without internet: docker save it elsewhere, docker load it here, and ./deploy.sh cpu DIR -- --no-pull",
        )


def test_no_nuctl(programs):
    assert list(containers.nuctl(machine())) == [
        note(
            "nuctl",
            "no such command; only deploying with nuclio needs it.",
            "Download nuctl, the version of CVAT's nuclio dashboard, from github.com/nuclio/nuclio/releases.",
        )
    ]


def test_nuctl_is_asked_for_its_version_only(programs):
    """What else it does begins with writing a project into nuclio's store."""
    nuctl(programs, "1.13.0")

    assert programs.calls("nuctl") == [["version"]]


def test_the_dashboard_runs():
    assert list(containers.dashboard(machine(DASHBOARD))) == [ok("nuclio", "nuclio's dashboard 1.13.0, running")]


def test_cvat_without_its_serverless_part():
    assert list(containers.dashboard(machine(SERVER))) == [
        warning("nuclio", "no container of nuclio's dashboard, and CVAT runs here without it.", COMPOSE)
    ]


def test_cvat_that_asks_preannotate_serve_needs_no_dashboard():
    server = replace(SERVER, settings={"CVAT_SERVERLESS": "1", "CVAT_NUCLIO_HOST": "host.docker.internal"})

    assert [finding.severity for finding in containers.dashboard(machine(server))] == ["note"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "exited", "exit_code": 1}, "is exited (exit code 1)"),
        ({"status": "exited", "exit_code": 137, "out_of_memory": True}, "is exited (out of memory)"),
        ({"status": "created"}, "is created"),
    ],
)
def test_the_dashboard_stopped(change, words):
    (found,) = containers.dashboard(machine(replace(DASHBOARD, **change)))

    assert found == error("nuclio", f"nuclio's dashboard {words}: the Models page answers 503.", "docker start nuclio")


@pytest.mark.parametrize(("address", "severities"), [("0.0.0.0", ["ok", "warning"]), ("127.0.0.1", ["ok"])])
def test_the_dashboards_port_is_open_to_everybody(address, severities):
    found = list(containers.dashboard(machine(replace(DASHBOARD, ports=(Port(address, 8070, "8070/tcp"),)))))

    assert [finding.severity for finding in found] == severities
    if severities[-1] == "warning":
        assert found[1].finding == (
            "port 8070 of the dashboard is open to other machines; it has no login, and whoever reaches it can start "
            "containers on this one."
        )


def test_cvat_reaches_everything():
    assert list(containers.cvat(machine(SERVER, WORKER, DASHBOARD))) == [
        ok("cvat_server", "nuclio at nuclio, direct calls"),
        ok("cvat_worker_annotation", "nuclio at nuclio, direct calls"),
    ]
    assert list(containers.cvat(machine())) == []


def test_no_models_page():
    found = list(containers.cvat(machine(replace(SERVER, settings={}), WORKER, DASHBOARD)))

    assert found[0] == error("cvat_server", "CVAT_SERVERLESS is not 1: CVAT has no Models page.", COMPOSE)


def test_the_server_stopped():
    assert list(containers.cvat(machine(replace(SERVER, status="exited", exit_code=3)))) == [
        error("cvat_server", "is exited (exit code 3).", "docker logs --tail 50 cvat_server")
    ]


def test_nobody_works_on_batches():
    found = list(containers.cvat(machine(SERVER, DASHBOARD)))

    assert found[0].finding == "no such container: automatic annotation of a task stays queued."


def test_the_worker_does_not_know_the_host():
    found = list(containers.cvat(machine(SERVER, replace(WORKER, hosts=()), DASHBOARD)))

    assert found[1] == error(
        "cvat_worker_annotation",
        "does not know host.docker.internal, at which it calls functions: `Name or service not known`, status 503.",
        'Add extra_hosts: ["host.docker.internal:host-gateway"] to cvat_worker_annotation in docker-compose.yml, then '
        "docker compose up -d",
    )


def test_calls_through_the_dashboard_need_no_such_host_and_go_astray_after_a_restart():
    settings = {"CVAT_SERVERLESS": "1", "CVAT_NUCLIO_INVOKE_METHOD": "dashboard"}
    server = replace(SERVER, hosts=(), settings=settings)

    assert next(iter(containers.cvat(machine(server, WORKER, DASHBOARD)))) == warning(
        "cvat_server",
        "calls functions through nuclio's dashboard, at addresses that change at a restart of Docker: another function "
        "may answer then.",
        "Remove CVAT_NUCLIO_INVOKE_METHOD=dashboard from cvat_server, and recreate it: direct calls go to the "
        "function's port. (dashboard is for `preannotate serve`.)",
    )


def test_docker_from_snap_and_room_for_images(docker, tmp_path):
    docker.says({"info --format {{.DockerRootDir}}": ("/var/snap/docker/common/var-lib-docker\n", "", 0)})
    (snap,) = containers.storage(machine())
    assert (snap.severity, snap.where) == ("warning", "docker")
    assert "is from snap" in snap.finding

    docker.says({"info --format {{.DockerRootDir}}": (f"{tmp_path}\n", "", 0)})
    (room,) = containers.storage(machine())
    assert room.where == f"disk of {tmp_path}"

    docker.says({"info --format {{.DockerRootDir}}": ("", "no answer", 1)})
    assert list(containers.storage(machine())) == []


def test_a_proxy_in_between():
    settings = {"CVAT_SERVERLESS": "1", "https_proxy": "http://user:secret@proxy", "no_proxy": "clickhouse,nuclio"}
    found = list(containers.cvat(machine(replace(SERVER, settings=settings), WORKER, DASHBOARD)))

    assert found[0] == error(
        "cvat_server",
        "has a proxy, and its no_proxy lacks host.docker.internal: calls end at the proxy (503 or 504).",
        "Add host.docker.internal to no_proxy, and recreate CVAT's containers (docker compose up -d).",
    )
    assert "secret" not in str(found)


def test_cvat_and_nuclio_in_different_networks():
    found = list(containers.cvat(machine(SERVER, WORKER, replace(DASHBOARD, networks=frozenset({"other"})))))

    assert found[0].finding == "shares no network with nuclio: CVAT cannot find the host nuclio (status 503)."
