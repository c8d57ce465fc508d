"""What Docker says of CVAT, of nuclio and of its functions: asked once, judged elsewhere.

Docker is asked and not nuctl, which would write a default project and start a container when it only lists. nuclio's
own records are read where nuclio reads them: in the container that holds its store.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from preannotate.core.child_process import Result, run_tool
from preannotate.diagnostics.finding import Finding, error, note

STORE = "nuclio-local-storage-reader"
_STORE_FOLDER = "/etc/nuclio/store"
# CVAT asks for this namespace, and nuctl uses it unless told otherwise.
NAMESPACE = "nuclio"
DASHBOARD_IMAGE = "nuclio/dashboard"
# Environment variables of CVAT's containers that are looked at; the others stay unread.
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
    """What `docker inspect` says.

    Attributes:
        name: Without the slash.
        image: As it was started from.
        status: "running", "exited", "restarting", "created", "paused" or "dead".
        health: "healthy", "unhealthy", "starting", or "" without a check.
        exit_code: Of the last end.
        out_of_memory: The system ended it for its memory.
        restarts: How often Docker has started it again.
        labels: Of the container.
        settings: Those of its environment variables that are in SETTINGS.
        hosts: Names that were added to its /etc/hosts.
        ports: Offered by the host.
        networks: Names.
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
    """

    engine: str
    containers: Mapping[str, Container]
    records: tuple[dict[str, Any], ...] | None = None
    projects: frozenset[str] | None = None

    @property
    def dashboard(self) -> Container | None:
        """The container of nuclio's dashboard; None if there is none here."""
        found = [one for one in self.containers.values() if DASHBOARD_IMAGE in one.image]
        return next((one for one in found if one.status == "running"), found[0] if found else None)

    def of_function(self, name: str) -> Container | None:
        """The container of a function; None if it has none."""
        return next((one for one in self.containers.values() if one.function == name), None)

    def record(self, name: str) -> dict[str, Any] | None:
        """What nuclio knows of a function; None if it does not know it."""
        return next((one for one in self.records or () if one.get("metadata", {}).get("name") == name), None)


def survey() -> Survey | Finding:
    """Look around.

    Returns:
        What is there, or the finding that Docker cannot be asked.
    """
    said = run_tool("docker", "version", "--format", "{{.Server.Version}}")
    if said.problem:
        return _unreachable(said)
    containers = {one.name: one for one in _containers()}
    reader = containers.get(STORE)
    if reader is None or reader.status != "running":
        return Survey(said.stdout.strip(), containers)
    functions, projects = (_store(kind) for kind in ("functions", "projects"))
    names = None if projects is None else frozenset(str(one.get("meta", {}).get("name", "")) for one in projects)
    return Survey(said.stdout.strip(), containers, None if functions is None else tuple(functions), names)


def _unreachable(said: Result) -> Finding:
    if said.missing:
        return note(
            "docker",
            "no such command.",
            "Install Docker if nuclio shall run here; `preannotate serve` serves functions without it.",
        )
    if "permission denied" in said.problem.lower() or "permission denied" in said.stderr.lower():
        return error(
            "docker",
            "permission denied: the engine runs, and your user may not use it.",
            'sudo usermod -aG docker "$USER", then log in again; or run this with sudo.',
        )
    return error(
        "docker",
        f"the engine does not answer ({said.problem.rstrip('.')}).",
        "Start it: sudo systemctl start docker (Linux), or open Docker Desktop; then ask again.",
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
    said = run_tool("docker", "inspect", "--type", "container", *names)
    try:  # if one went away meanwhile, the exit code is 1 and the others are there all the same
        content = json.loads(said.stdout)
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
        gpu=bool(host.get("DeviceRequests")) or host.get("Runtime") == "nvidia",
    )


def _ports(ports: Mapping[str, Any]) -> Iterator[Port]:
    for container_port, bindings in ports.items():
        for binding in bindings or ():
            if str(binding.get("HostPort", "")).isdigit():
                yield Port(str(binding.get("HostIp", "")), int(binding["HostPort"]), container_port)


def _store(kind: str) -> list[dict[str, Any]] | None:
    """Nuclio's records of a kind: one line each, JSON in base64. None if they cannot be read."""
    said = run_tool("docker", "exec", STORE, "/bin/sh", "-c", f"/bin/cat {_STORE_FOLDER}/{kind}/{NAMESPACE}/*")
    if said.problem:
        return [] if "No such file" in said.stderr else None
    try:
        records = [json.loads(base64.b64decode(line)) for line in said.stdout.split()]
    except (binascii.Error, ValueError):
        return None
    return [record for record in records if isinstance(record, dict)]
