"""CVAT's and nuclio's containers on this machine: the settings that most often keep models away.

CVAT calls a function in one of two ways. "direct", the usual one with Docker: at the port of its container, through
the name host.docker.internal. "dashboard", usual with Kubernetes: through nuclio's dashboard.
"""

import platform
import re
from collections.abc import Iterator
from pathlib import Path

from preannotate.core.child_process import run_tool
from preannotate.diagnostics import machine
from preannotate.diagnostics.finding import Finding, error, note, ok, warning
from preannotate.diagnostics.machine import UNPROXIED
from preannotate.diagnostics.packages import release
from preannotate.diagnostics.survey import SERVER, Container, Survey

# The first that knows `host-gateway`, by which CVAT's containers reach the ports of the machine.
OLDEST_DOCKER = (20, 10)
# From 29 on Docker refuses the client in dashboards before 1.15.9.
STRICT_DOCKER, TOLERATED_DASHBOARD = (29,), (1, 15, 9)
# The first with python:3.11 and numWorkers.
OLDEST_NUCTL = (1, 13)
WORKER = "cvat_worker_annotation"
_COMPOSE = "docker compose -f docker-compose.yml -f components/serverless/docker-compose.serverless.yml up -d"
_EVERYWHERE = ("0.0.0.0", "::", "")
_OWN_HOSTS = ("nuclio", "")
_ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}


def engine(found: Survey) -> Iterator[Finding]:
    """Docker's version."""
    version, dashboard = release(found.engine), _dashboard_version(found)
    if version and version < OLDEST_DOCKER:
        yield error(
            "docker",
            f"{found.engine}; expected 20.10 or newer, which knows host-gateway: CVAT cannot reach functions.",
            "Update Docker.",
        )
    elif version >= STRICT_DOCKER and dashboard and dashboard < TOLERATED_DASHBOARD:
        yield error(
            "docker",
            f"{found.engine} refuses the client in nuclio's dashboard {_dotted(dashboard)} (`client version 1.42 is "
            f"too old`): the Models page fails.",
            "Update CVAT's nuclio to 1.15.9 (components/serverless/docker-compose.serverless.yml) and nuctl with it.",
        )
    else:
        yield ok("docker", found.engine)


def storage(found: Survey) -> Iterator[Finding]:
    """Where Docker keeps its images: whether there is room, and whether it is the Docker of snap."""
    root = run_tool("docker", "info", "--format", "{{.DockerRootDir}}")
    if root.problem:
        return
    folder = Path(root.stdout.strip())
    if "/snap/" in str(folder):
        yield warning(
            "docker",
            f"keeps its images in {folder}: it is from snap, does not see /tmp, and nuctl cannot build with it.",
            "Install Docker Engine from docs.docker.com in its place, or try: TMPDIR=~/tmp ./deploy.sh ...",
        )
    if folder.is_dir():  # not on Docker Desktop, where it lies in a virtual machine
        yield from machine.disk(folder)


def nuctl(found: Survey) -> Iterator[Finding]:
    """nuctl, which builds and deploys: its version is part of the names of the images it needs."""
    dashboard = _dashboard_version(found)
    wanted = f" {_dotted(dashboard)}" if dashboard else ", the version of CVAT's nuclio dashboard,"
    download = f"Download nuctl{wanted} from github.com/nuclio/nuclio/releases."
    result = run_tool("nuctl", "version")
    if result.missing:
        yield note("nuctl", "no such command; only deploying with nuclio needs it.", download)
        return
    label = re.search(r"Label: v?(\d[\d.]*\d)", result.stdout)
    if label is None:
        yield note("nuctl", f"its version is not known ({result.problem or 'built from source'}).", download)
        return
    version = release(label[1])
    if version < OLDEST_NUCTL:
        yield error("nuctl", f"{label[1]}; expected 1.13 or newer, which knows python:3.11 and numWorkers.", download)
        return
    if dashboard and version != dashboard:
        yield warning("nuctl", f"{label[1]}, and the dashboard is {_dotted(dashboard)}; expected the same.", download)
    else:
        yield ok("nuctl", label[1])
    yield from _build_image(label[1])


def dashboard(found: Survey) -> Iterator[Finding]:
    """Nuclio's dashboard, which CVAT asks for its functions."""
    container, server = found.dashboard, found.containers.get(SERVER)
    if container is None:
        if server is not None and server.settings.get("CVAT_NUCLIO_HOST", "") in _OWN_HOSTS:
            yield warning("nuclio", "no container of nuclio's dashboard, and CVAT runs here without it.", _COMPOSE)
        else:
            yield note(
                "nuclio", "no container of nuclio's dashboard on this machine.", f"If CVAT runs here: {_COMPOSE}"
            )
        return
    if container.status != "running":
        yield error(
            container.name,
            f"nuclio's dashboard is {container.status}{_cause(container)}: the Models page answers 503.",
            f"docker start {container.name}",
        )
        return
    yield ok(container.name, f"nuclio's dashboard {_dotted(_dashboard_version(found)) or container.image}, running")
    open_ports = [port for port in container.ports if port.address in _EVERYWHERE]
    if open_ports:
        yield warning(
            container.name,
            f"port {open_ports[0].host} of the dashboard is open to other machines; it has no login, and whoever "
            f"reaches it can start containers on this one.",
            "Remove `ports:` of service nuclio in components/serverless/docker-compose.serverless.yml, or write "
            '"127.0.0.1:8070:8070" there; CVAT needs neither.',
        )


def cvat(found: Survey) -> Iterator[Finding]:
    """CVAT's server and the worker of its batches."""
    server = found.containers.get(SERVER)
    if server is None:
        return
    if server.status != "running":
        yield error(SERVER, f"is {server.status}{_cause(server)}.", f"docker logs --tail 50 {SERVER}")
        return
    worker = found.containers.get(WORKER)
    if worker is None or worker.status != "running":
        yield warning(
            WORKER,
            f"{'no such container' if worker is None else f'is {worker.status}'}: automatic annotation of a task "
            f"stays queued.",
            f"Start all of CVAT with its serverless part: {_COMPOSE}",
        )
    if server.settings.get("CVAT_SERVERLESS", "").lower() not in ("1", "true", "yes", "on"):
        yield error(SERVER, "CVAT_SERVERLESS is not 1: CVAT has no Models page.", _COMPOSE)
    for container in (server, worker):
        if container is not None and container.status == "running":
            yield from _ways(container, found)


def _build_image(nuctl_version: str) -> Iterator[Finding]:
    """Whether nuctl can build without internet."""
    tag = f"{nuctl_version}-{_ARCHITECTURES.get(platform.machine(), platform.machine())}"
    image = f"nuclio/handler-builder-python-onbuild:{tag}"
    here = run_tool("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    if not here.problem and not any(line.strip().endswith(image) for line in here.stdout.splitlines()):
        yield note(
            "nuctl",
            f"image {image} is not here: nuctl pulls it when it builds.",
            "Without internet: docker save it elsewhere, docker load it here, and ./deploy.sh cpu DIR -- --no-pull",
        )


def _ways(container: Container, found: Survey) -> Iterator[Finding]:
    """Whether it reaches nuclio and the functions."""
    settings, problems = container.settings, False
    host = settings.get("CVAT_NUCLIO_HOST", "nuclio")
    direct = settings.get("CVAT_NUCLIO_INVOKE_METHOD", "direct") == "direct"
    if (direct or host == "host.docker.internal") and "host.docker.internal" not in container.hosts:
        problems = True
        yield error(
            container.name,
            "does not know host.docker.internal, at which it calls functions: `Name or service not known`, status 503.",
            f'Add extra_hosts: ["host.docker.internal:host-gateway"] to {container.name} in docker-compose.yml, '
            f"then docker compose up -d",
        )
    if any(settings.get(name) for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")):
        excepted = re.split(r"[,\s]+", settings.get("no_proxy", settings.get("NO_PROXY", "")))
        lacking = [name for name in UNPROXIED if name not in excepted and "*" not in excepted]
        if lacking:
            problems = True
            yield error(
                container.name,
                f"has a proxy, and its no_proxy lacks {' and '.join(lacking)}: calls end at the proxy (503 or 504).",
                f"Add {','.join(lacking)} to no_proxy, and recreate CVAT's containers (docker compose up -d).",
            )
    nuclio = found.dashboard
    if nuclio is not None and host == "nuclio" and not container.networks & nuclio.networks:
        problems = True
        yield error(
            container.name,
            f"shares no network with {nuclio.name}: CVAT cannot find the host nuclio (status 503).",
            f"Start both with the same project: {_COMPOSE}",
        )
    if nuclio is not None and host == "nuclio" and not direct:
        problems = True
        yield warning(
            container.name,
            "calls functions through nuclio's dashboard, at addresses that change at a restart of Docker: another "
            "function may answer then.",
            f"Remove CVAT_NUCLIO_INVOKE_METHOD=dashboard from {container.name}, and recreate it: direct calls go to "
            f"the function's port. (dashboard is for `preannotate serve`.)",
        )
    if not problems:
        way = "direct calls" if direct else "calls through the dashboard"
        yield ok(container.name, f"nuclio at {host}, {way}")


def _dashboard_version(found: Survey) -> tuple[int, ...]:
    container = found.dashboard
    return release(container.image.rpartition(":")[2]) if container is not None else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _cause(container: Container) -> str:
    if container.out_of_memory:
        return " (out of memory)"
    return f" (exit code {container.exit_code})" if container.status in ("exited", "dead") else ""
