"""The functions that nuclio runs on this machine: those of the given directories, and others that break the list."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence

from preannotate.core.child_process import run_tool
from preannotate.core.text import without_escapes
from preannotate.diagnostics import known_causes
from preannotate.diagnostics.finding import Finding, error, note, ok, warning
from preannotate.diagnostics.functions import (
    PROJECT,
    PROJECT_LABEL,
    READY,
    Listed,
    LocalFunction,
    check_metadata,
    check_state,
    compare_with_directory,
    part,
)
from preannotate.diagnostics.survey import SERVER, STORE, Container, Survey
from preannotate.serving.function_config import KINDS

_LOG_LINES = "300"
_KILLED = 137
_LOOKS, _LOOK_SECONDS = 8, 0.5
_LESS_MEMORY = "Lower numWorkers in its function.yaml, or give it more memory; then deploy it again."
_IP_ADDRESS = re.compile(r"[0-9.]+|\[?[0-9a-fA-F:]+\]?")
# Asked inside the container, as deploy.sh does.
_PROBE = (
    "import http.client; c = http.client.HTTPConnection('127.0.0.1', 8082, timeout=3); "
    "c.request('GET', '/ready'); print(c.getresponse().status)"
)
_LINE_LENGTH = 240
# Nuclio's level in a line, and what Python prints at the end of a traceback.
_BAD = re.compile(r"\(E\)|\b\w*(Error|Exception)\b|signal: killed|No module named|[Ii]llegal instruction|out of memory")
# Harmless levels; among them the line in which nuclio writes down a function's whole environment.
_HARMLESS = re.compile(r"\((D|I)\)|Read configuration")


def list_of_cvat(found: Survey) -> Iterator[Finding]:
    """Whether CVAT can read the functions that nuclio lists."""
    for path in found.damaged:
        yield error(
            "nuclio's store",
            f"{path} cannot be read: nuctl says `illegal base64 data`, and the Models page fails.",
            f"docker exec {STORE} rm {path}, then deploy the function of that name again.",
        )
    if found.damaged:
        return
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


def containers(found: Survey) -> Iterator[Finding]:
    """Whether each function runs, of whatever directory, and nuclio, and so CVAT, knows its port and address."""
    holders = {address: one.name for one in found.containers.values() for address in one.addresses}
    for container in found.containers.values():
        if not container.function:
            continue
        yield from _container(container)
        if container.status != "running":
            continue
        record = found.record(container.function)
        yield from _port(container, record)
        if record is not None:
            yield from _address(container, record, found, holders)


def last_error(container: str) -> str:
    """What a container's log says about its end, in one line; "" if nothing."""
    result = run_tool("docker", "logs", "--tail", _LOG_LINES, container)
    log = result.stdout + result.stderr
    if known := known_causes.of_log(log):
        return known.rstrip(".")
    lines = [line.strip() for line in without_escapes(log).splitlines()]
    bad = [line for line in lines if _BAD.search(line) and not _HARMLESS.search(line)]
    return bad[-1][:_LINE_LENGTH] if bad else ""


def _container(container: Container) -> Iterator[Finding]:
    answers = _answers(container)
    if answers and not container.restarts:
        yield ok(container.name, "running")
        return
    words = last_error(container.name)
    logged = f"; its log says: {words}" if words else ""
    if answers:
        yield warning(
            container.name,
            f"running, and Docker had to start it again {container.restarts} times{logged}.",
            f"docker logs --tail 100 {container.name}",
        )
    elif container.restarts or container.status == "restarting":
        # In every moment of the circle the same: its status, exit code and health are those of this moment.
        killed = container.out_of_memory or container.exit_code == _KILLED or "killed" in words
        killed = killed or (not words and _was_killed(container.name))
        yield error(
            container.name,
            f"ends again and again soon after it is started{' (killed: out of memory)' if killed else ''}{logged}.",
            _LESS_MEMORY if killed else _help(container, words),
        )
    elif container.status == "running":
        yield note(container.name, f"is starting{logged}.", "Wait until the model is loaded, then run this again.")
    else:
        yield error(container.name, f"is {container.status}{_why(container)}{logged}.", _help(container, words))


def _answers(container: Container) -> bool:
    """Whether all its workers are ready; Docker's own health only says that nuclio's processor has started."""
    if container.status != "running":
        return False
    result = run_tool("docker", "exec", container.name, "python3", "-c", _PROBE)
    if result.not_run or "timed out" in result.stderr:  # a busy machine: Docker's word has to do
        return container.health in ("healthy", "")
    return result.stdout.strip() == "200"


def _was_killed(name: str) -> bool:
    """Whether a container that ends again and again is killed, which Docker shows until its next start."""
    for _ in range(_LOOKS):
        result = run_tool("docker", "inspect", "--format", "{{.State.OOMKilled}} {{.State.ExitCode}}", name)
        if result.problem:
            break
        if "true" in result.stdout or str(_KILLED) in result.stdout:
            return True
        time.sleep(_LOOK_SECONDS)
    return False


def _why(container: Container) -> str:
    if container.out_of_memory or container.exit_code == _KILLED:
        return " (killed: out of memory)"
    return f" (exit code {container.exit_code})" if container.exit_code else ""


def _help(container: Container, words: str) -> str:
    if container.out_of_memory or container.exit_code == _KILLED or "killed" in words:
        return _LESS_MEMORY
    if "No module named" in words or "--rebuild-base" in words:
        return "The base image does not fit: ./deploy.sh cpu --rebuild-base functions/NAME"
    if "permission denied" in words.lower():
        return "It may not read its files: deploy it with ./deploy.sh, which sets their rights."
    if container.status == "exited" and not words:
        return f"docker start {container.name}"
    return f"docker logs --tail 100 {container.name}; then deploy it again."


def _port(container: Container, record: Listed | None) -> Iterator[Finding]:
    """Whether nuclio tells CVAT the port at which the container really listens."""
    name = container.function
    offered = [port.host for port in container.ports if port.container.startswith("8080/")]
    if not offered:
        yield warning(
            container.name,
            "its port is not published: CVAT's direct calls cannot reach it.",
            "Remove disablePortPublishing from function.yaml and deploy it again.",
        )
        return
    listed, state = part(record or {}, "status", "httpPort"), part(record or {}, "status", "state")
    if record is not None and not listed and state not in READY:
        reason = known_causes.of_report(str(part(record, "status", "message") or "")).rstrip(".")
        yield error(
            container.name,
            f"still answers at port {offered[0]}, and nuclio does not tell CVAT: the last deployment of {name} failed"
            f"{f' ({reason})' if reason else ''}.",
            f"Deploy it again, or go back: ./deploy.sh rollback {name} {container.image.rpartition(':')[2]}",
        )
    elif listed and listed not in offered:
        yield error(
            container.name,
            f"listens at port {offered[0]}, and nuclio tells CVAT {listed} (status 503, connection refused): Docker "
            f"chose another port at a restart.",
            f"Deploy {name} again by ./deploy.sh, which gives it a port that stays.",
        )
    else:
        yield ok(container.name, f"port {offered[0]}")


def _address(container: Container, record: Listed, found: Survey, holders: Mapping[str, str]) -> Iterator[Finding]:
    """Whether nuclio's dashboard would call this container."""
    urls = [str(url) for url in part(record, "status", "internalInvocationUrls") or ()]
    hosts = [url.rpartition("://")[2].rpartition(":")[0] for url in urls]
    kept = [host for host in hosts if _IP_ADDRESS.fullmatch(host)]
    if not kept or not container.addresses or container.addresses & set(kept):
        return
    other = next((holders[host] for host in kept if host in holders), "")
    called = f"{other} answers in its place" if other else "nobody answers there"
    server = found.containers.get(SERVER)
    by_dashboard = server is not None and server.settings.get("CVAT_NUCLIO_INVOKE_METHOD") == "dashboard"
    yield (error if by_dashboard else warning)(
        container.name,
        f"has the address {', '.join(sorted(container.addresses))}, and nuclio keeps {', '.join(kept)}, from before a "
        f"restart of Docker: when nuclio's dashboard calls {container.function}, {called}.",
        f"Deploy {container.function} again"
        + (
            "; and let CVAT call ports, which stay: remove CVAT_NUCLIO_INVOKE_METHOD=dashboard."
            if by_dashboard
            else "; CVAT's direct calls go to its port and are not affected."
        ),
    )


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
