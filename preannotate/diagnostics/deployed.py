"""The functions that nuclio runs on this machine: those of the given directories, and others that break the list."""

import re
from collections.abc import Iterator, Sequence

from preannotate.core.child_process import run_tool
from preannotate.diagnostics.finding import Finding, error, note, ok, warning
from preannotate.diagnostics.functions import (
    PROJECT,
    PROJECT_LABEL,
    Listed,
    LocalFunction,
    check_metadata,
    check_state,
    compare_with_directory,
    part,
)
from preannotate.diagnostics.survey import Container, Survey
from preannotate.serving.function_config import KINDS

_LOG_LINES = "300"
_LINE_LENGTH = 240
# What nuclio writes before a line: time and level, and what Python prints at the end of a traceback.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BAD = re.compile(r"\(E\)|\b\w*(Error|Exception)\b|signal: killed|No module named|[Ii]llegal instruction|out of memory")
# Harmless levels; among them the line in which nuclio writes down a function's whole environment.
_HARMLESS = re.compile(r"\((D|I)\)|Read configuration")


def list_of_cvat(found: Survey) -> Iterator[Finding]:
    """Whether CVAT can read the functions that nuclio lists."""
    if found.records is None or found.projects is None:
        if found.dashboard is not None and found.dashboard.status == "running":
            yield note(
                "nuclio's store",
                "cannot be read: its container does not run (nuclio starts it when the Models page is opened).",
                "Open the Models page and run this again; if it answers 500: docker rm -f nuclio-local-storage-reader",
            )
        return
    if PROJECT not in found.projects:
        yield warning(
            f"project {PROJECT}",
            "nuclio has no such project; CVAT shows functions of this project only, and nuctl deploys nothing into it.",
            f"nuctl create project {PROJECT} --platform local",
        )
    ours, elsewhere = {}, []
    for one in found.records:
        name = str(part(one, "metadata", "name"))
        if part(one, "metadata", "labels", PROJECT_LABEL) == PROJECT:
            ours[name] = one
        elif part(one, "metadata", "annotations", "type") in KINDS:
            elsewhere.append(name)
    faults = [fault for name, one in ours.items() for fault in check_metadata(name, one)]
    yield from faults
    if ours and not faults:
        yield ok(f"project {PROJECT}", f"CVAT can read what nuclio says of {', '.join(ours)}")
    for name, one in ours.items():
        yield from check_state(name, one)
    if elsewhere:
        yield warning(
            ", ".join(elsewhere),
            f"made for CVAT, and in another project than {PROJECT}: CVAT does not show it. (`namespace: cvat` in "
            f"function.yaml has no effect.)",
            f"Deploy it with --project-name {PROJECT} (deploy.sh does).",
        )


def functions(found: Survey, directories: Sequence[LocalFunction]) -> Iterator[Finding]:
    """Each given function that is deployed here."""
    deployed = set()
    for function in directories:
        container, record = found.of_function(function.name), found.record(function.name)
        if container is None and record is None:
            continue
        deployed.add(function.path)
        if record is not None:
            yield from compare_with_directory(function, record)
        if container is None:
            yield error(
                function.name,
                "nuclio knows it, and it has no container: its build failed, or its container was removed.",
                f"Deploy {function.path} again, and read what nuctl says.",
            )
            continue
        yield from _container(function, container)
        yield from _port(function, container, record)
        if function.variant.limits:
            yield from _gpu(function, container)
    for function in directories:
        if function.path not in deployed and not function.variant.limits:
            yield note(
                function.name,
                "is not deployed with nuclio on this machine.",
                f"./deploy.sh cpu {function.path}; `preannotate serve` needs no deployment.",
            )


def base_images(found: Survey, directories: Sequence[LocalFunction]) -> Iterator[Finding]:
    """Whether what the containers start from is here: nobody can pull it from anywhere."""
    if found.dashboard is None:
        return
    images = {function.settings.base_image for function in directories if not function.variant.limits}
    for image in sorted(images - {""}):
        result = run_tool("docker", "image", "inspect", "--format", "{{.Id}}", image)
        if result.problem:
            yield note(
                image,
                "no such image here; `nuctl deploy` alone would fail with `pull access denied`.",
                "./deploy.sh cpu builds it before it deploys.",
            )
        else:
            yield ok(image, "the base image is here")


def ports(found: Survey, directories: Sequence[LocalFunction]) -> Iterator[Finding]:
    """Whether a fixed port is taken by another container."""
    for function in directories:
        wanted = function.settings.port
        for container in found.containers.values():
            if container.function != function.name and any(port.host == wanted for port in container.ports):
                yield error(
                    function.variant.file,
                    f"port {wanted} is taken by container {container.name}; {function.name} cannot start.",
                    "Choose another port in function.yaml.",
                )


def last_error(container: str) -> str:
    """The last line of a container's log that looks like an error, shortened; "" if there is none."""
    result = run_tool("docker", "logs", "--tail", _LOG_LINES, container)
    lines = [_COLOUR.sub("", line).strip() for line in (result.stdout + result.stderr).splitlines()]
    bad = [line for line in lines if _BAD.search(line) and not _HARMLESS.search(line)]
    return bad[-1][:_LINE_LENGTH] if bad else ""


def _container(function: LocalFunction, container: Container) -> Iterator[Finding]:
    if container.status == "running" and container.health in ("healthy", "") and not container.restarts:
        yield ok(container.name, "running")
        return
    words = last_error(container.name)
    logged = f"; its log says: {words}" if words else ""
    if container.status == "running" and container.health in ("healthy", ""):
        yield warning(
            container.name,
            f"running, and Docker had to start it again {container.restarts} times{logged}.",
            f"docker logs --tail 100 {container.name}",
        )
    elif container.status == "running" and container.health == "starting":
        yield note(container.name, f"is starting{logged}.", "Wait until the model is loaded, then run this again.")
    else:
        yield error(
            container.name,
            f"is {container.health if container.status == 'running' else container.status}{_why(container)}{logged}.",
            _help(container, words, function),
        )


def _why(container: Container) -> str:
    if container.out_of_memory or container.exit_code == 137:
        return " (killed: out of memory)"
    return f" (exit code {container.exit_code})" if container.exit_code else ""


def _help(container: Container, words: str, function: LocalFunction) -> str:
    if container.out_of_memory or container.exit_code == 137 or "killed" in words:
        return f"Lower numWorkers in {function.variant.file}, or give it more memory; then deploy it again."
    if "No module named" in words or "msgpack" in words:
        return "The base image does not fit: ./deploy.sh cpu --rebuild-base " + str(function.path)
    if "permission denied" in words.lower():
        return "It may not read its files: deploy it with ./deploy.sh, which sets their rights."
    if container.status == "exited" and not words:
        return f"docker start {container.name}"
    return f"docker logs --tail 100 {container.name}; then deploy {function.path} again."


def _port(function: LocalFunction, container: Container, record: Listed | None) -> Iterator[Finding]:
    """Whether nuclio tells CVAT the port at which the container really listens."""
    offered = [port.host for port in container.ports if port.container.startswith("8080/")]
    if container.status != "running":
        return
    if not offered:
        yield warning(
            container.name,
            "its port is not published: CVAT's direct calls cannot reach it.",
            "Remove disablePortPublishing from function.yaml and deploy it again.",
        )
        return
    listed = part(record or {}, "status", "httpPort")
    if listed and listed not in offered:
        yield error(
            container.name,
            f"listens at port {offered[0]}, and nuclio tells CVAT {listed} (status 503, connection refused): Docker "
            f"chose another port at a restart.",
            f"Deploy {function.path} again, with `port: {offered[0]}` beside maxRequestBodySize so that it stays.",
        )
    else:
        yield ok(container.name, f"port {offered[0]}")


def _gpu(function: LocalFunction, container: Container) -> Iterator[Finding]:
    if not container.gpu:
        yield error(
            container.name,
            "was started without a GPU.",
            f"Deploy it with function-gpu.yaml: ./deploy.sh gpu {function.path}",
        )
        return
    result = run_tool("docker", "logs", "--tail", _LOG_LINES, container.name)
    if "sees no GPU" in result.stdout + result.stderr:
        yield error(
            container.name,
            "has a GPU and does not see it: it runs on the CPU.",
            "Install NVIDIA's container toolkit and a driver as new as CUDA 12 wants, restart Docker, and try: "
            "docker run --rm --gpus all ubuntu nvidia-smi",
        )
