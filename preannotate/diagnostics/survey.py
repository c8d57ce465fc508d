"""The containers of CVAT, of nuclio and of its functions, read once from Docker for all checks.

Not from nuctl, which writes a default project and starts a container even to list functions. nuclio's own records are
read where nuclio reads them: in the container that holds its store.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from preannotate.core.child_process import Result, run_tool
from preannotate.diagnostics.finding import Finding, error, note, warning

# CVAT's server.
SERVER = "cvat_server"
STORE = "nuclio-local-storage-reader"
_STORE_FOLDER = "/etc/nuclio/store"
# CVAT requests this namespace, and it is the default of nuctl.
NAMESPACE = "nuclio"
DASHBOARD_IMAGE = "nuclio/dashboard"
# Environment variables of CVAT's containers that are read; no others.
SETTINGS = (
    *("CVAT_SERVERLESS", "CVAT_NUCLIO_HOST", "CVAT_NUCLIO_PORT", "CVAT_NUCLIO_INVOKE_METHOD"),
    *("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY"),
)


@dataclass(frozen=True)
class Port:
    """A port of a container that the host offers: `address` is "0.0.0.0" or "::" if other machines reach it."""

    address: str
    host: int
    container: str


@dataclass(frozen=True)
class Container:
    """A container as `docker inspect` describes it.

    Attributes:
        name: Without the slash.
        image: As it was started from.
        status: "running", "exited", "restarting", "created", "paused" or "dead".
        health: "healthy", "unhealthy", "starting", or "" without a check.
        exit_code: Of the last end.
        out_of_memory: The system ended it for its memory.
        restarts: How often Docker has started it again.
        settings: Those of its environment variables that are in SETTINGS.
        hosts: Names that were added to its /etc/hosts.
        ports: Offered by the host.
        addresses: In Docker's networks; others after a restart of Docker.
        gpu: Whether it was started with GPUs.
    """

    name: str
    image: str
    status: str
    health: str = ""
    exit_code: int = 0
    out_of_memory: bool = False
    restarts: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    networks: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    gpu: bool = False

    @property
    def function(self) -> str:
        """Name of the nuclio function that it runs; "" if none."""
        return self.labels.get("nuclio.io/function-name", "")


@dataclass(frozen=True)
class Survey:
    """What runs on this machine.

    Attributes:
        engine: Version of Docker.
        containers: Those of CVAT and nuclio, by name.
        records: nuclio's functions, each as its dashboard lists it; None if its store cannot be read.
        projects: Names of nuclio's projects; None likewise.
        damaged: Files of nuclio's store that hold no record.
    """

    engine: str
    containers: Mapping[str, Container]
    records: tuple[dict[str, Any], ...] | None = None
    projects: frozenset[str] | None = None
    damaged: tuple[str, ...] = ()

    @property
    def dashboard(self) -> Container | None:
        """The container of nuclio's dashboard; None if there is none here."""
        found = [container for container in self.containers.values() if DASHBOARD_IMAGE in container.image]
        return next((container for container in found if container.status == "running"), found[0] if found else None)

    def of_function(self, name: str) -> Container | None:
        """The container of a function; None if it has none."""
        return next((one for one in self.containers.values() if one.function == name), None)

    def record(self, name: str) -> dict[str, Any] | None:
        """What nuclio knows of a function; None if it does not know it."""
        return next((one for one in self.records or () if one.get("metadata", {}).get("name") == name), None)


def survey() -> Survey | Finding:
    """Return what runs here, or the finding that Docker cannot be used."""
    result = run_tool("docker", "version", "--format", "{{.Server.Version}}")
    if result.problem:
        return _unreachable(result)
    containers = {one.name: one for one in _containers()}
    reader = containers.get(STORE)
    if reader is None or reader.status != "running":
        return Survey(result.stdout.strip(), containers)
    functions, projects = (_store(kind) for kind in ("functions", "projects"))
    names = None if projects is None else frozenset(str(one.get("meta", {}).get("name", "")) for one in projects)
    damaged = _damaged() if functions is None or projects is None else ()
    return Survey(result.stdout.strip(), containers, None if functions is None else tuple(functions), names, damaged)


def _unreachable(result: Result) -> Finding:
    if result.missing:
        return note(
            "docker",
            "no such command.",
            "Install Docker if nuclio shall run here; `preannotate serve` serves functions without it.",
        )
    if "permission denied" in result.problem.lower() or "permission denied" in result.stderr.lower():
        return error(
            "docker",
            "permission denied: the engine runs, and your user may not use it.",
            'sudo usermod -aG docker "$USER", then log in again; or run this with sudo.',
        )
    if result.not_run:  # a machine that is busy
        return warning("docker", f"{result.not_run}.", "Run this again; if it stays so: sudo systemctl restart docker")
    return error(
        "docker",
        f"the engine does not answer ({result.problem.rstrip('.')}).",
        "Start it: sudo systemctl start docker (Linux), or open Docker Desktop; then run this again.",
    )


def _containers() -> Iterator[Container]:
    listed = run_tool("docker", "ps", "--all", "--format", "{{.Names}}\t{{.Image}}")
    names = []
    for line in listed.stdout.splitlines():
        name, _, image = line.partition("\t")
        if name.startswith(("nuclio", "cvat")) or DASHBOARD_IMAGE in image:
            names.append(name)
    if not names:
        return
    result = run_tool("docker", "inspect", "--type", "container", *names)
    try:  # if one went away meanwhile, the exit code is 1 and the others are there all the same
        content = json.loads(result.stdout)
    except ValueError:
        return
    yield from map(_container, content)


def _container(content: Mapping[str, Any]) -> Container:
    state, config, host = (content.get(key) or {} for key in ("State", "Config", "HostConfig"))
    network = content.get("NetworkSettings") or {}
    pairs = (item.partition("=")[::2] for item in config.get("Env") or ())
    return Container(
        name=str(content.get("Name", "")).removeprefix("/"),
        image=str(config.get("Image", "")),
        status=str(state.get("Status", "")),
        health=str((state.get("Health") or {}).get("Status", "")),
        exit_code=int(state.get("ExitCode") or 0),
        out_of_memory=bool(state.get("OOMKilled")),
        restarts=int(content.get("RestartCount") or 0),
        labels=dict(config.get("Labels") or {}),
        settings={name: value for name, value in pairs if name in SETTINGS},
        hosts=tuple(re.split("[:=]", entry)[0] for entry in host.get("ExtraHosts") or ()),
        ports=tuple(_ports(network.get("Ports") or {})),
        networks=frozenset(network.get("Networks") or ()),
        addresses=frozenset(
            str(one["IPAddress"]) for one in (network.get("Networks") or {}).values() if (one or {}).get("IPAddress")
        ),
        gpu=bool(host.get("DeviceRequests")) or host.get("Runtime") == "nvidia",
    )


def _ports(ports: Mapping[str, Any]) -> Iterator[Port]:
    for container_port, bindings in ports.items():
        for binding in bindings or ():
            if str(binding.get("HostPort", "")).isdigit():
                yield Port(str(binding.get("HostIp", "")), int(binding["HostPort"]), container_port)


def _store(kind: str) -> list[dict[str, Any]] | None:
    """Nuclio's records of a kind: one line each, JSON in base64. None if they cannot be read."""
    result = run_tool("docker", "exec", STORE, "/bin/sh", "-c", f"/bin/cat {_STORE_FOLDER}/{kind}/{NAMESPACE}/*")
    if result.problem:
        return [] if "No such file" in result.stderr else None
    records = [_record(line) for line in result.stdout.split()]
    return None if None in records else [record for record in records if isinstance(record, dict)]


def _record(text: str) -> Any:
    """What a file of the store holds; None if it is no JSON in base64."""
    try:
        return json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return None


def _damaged() -> tuple[str, ...]:
    """The files of the store that hold no record."""
    script = f'for file in {_STORE_FOLDER}/*/{NAMESPACE}/*; do echo "$file $(/bin/cat "$file")"; done'
    result = run_tool("docker", "exec", STORE, "/bin/sh", "-c", script)
    pairs = (line.partition(" ")[::2] for line in result.stdout.splitlines() if line.startswith(_STORE_FOLDER))
    return () if result.problem else tuple(path for path, text in pairs if _record(text.strip()) is None)
