"""`--nuclio URL`: nuclio's dashboard or `preannotate serve`, with the requests that CVAT sends."""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from preannotate.core import http
from preannotate.core.http import Failure
from preannotate.diagnostics.finding import Finding, error, error_from_sentence, note, ok, warning
from preannotate.diagnostics.functions import (
    PROJECT,
    READY,
    Listed,
    LocalFunction,
    check_metadata,
    check_state,
    compare_with_directory,
    part,
)

# As CVAT sends them.
HEADERS = {"x-nuclio-project-name": PROJECT, "x-nuclio-function-namespace": "nuclio"}
TOKEN = "PREANNOTATE_TOKEN"
_STARTING = "start nuclio's dashboard, or `preannotate serve functions/`"
_CONNECT_SECONDS = 3.0


def check(url: str, functions: Sequence[LocalFunction]) -> Iterator[Finding]:
    """Check the list that CVAT gets, and each function in it."""
    token = os.environ.get(TOKEN)
    headers = HEADERS | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        reply = http.request("GET", f"{url}/api/functions", headers=headers)
        serves = http.request("GET", f"{url}/healthz", headers=headers).json()
    except http.NoResponseError as failed:
        yield no_response(url, failed, starting=_STARTING)
        return
    if 300 <= reply.status < 400:
        yield redirected(url, reply)
        return
    listed = reply.json()
    if reply.status == 401:
        yield error(url, "wants a token.", f"export {TOKEN}=…   (that of `preannotate serve`)")
        return
    if reply.status != 200 or not isinstance(listed, dict):
        message = f": {reply.message()}" if reply.message() else ""
        yield error(
            url, f"answers {reply.status} to /api/functions{message}; that is no list of functions.", _remedy(reply)
        )
        return
    is_serve = isinstance(serves, dict) and "status" in serves
    yield ok(url, f"{'`preannotate serve`' if is_serve else 'nuclio'}, functions for CVAT: {len(listed)}")
    if is_serve:
        for sentence in serves.get("problems") or ():
            yield error_from_sentence("not served", str(sentence), "Correct the directory.")
    if not listed:
        yield warning(url, "no function: CVAT's Models page is empty.", _empty(is_serve))
    for name, one in listed.items():
        yield from check_metadata(name, one)
        yield from check_state(name, one)
    yield from _ours(url, listed, functions)


def redirected(url: str, reply: http.Response) -> Finding:
    """The finding for a redirect."""
    return error(url, f"redirects to {reply.location or 'nowhere'}.", "Use the URL that it redirects to.")


def no_response(url: str, failed: http.NoResponseError, *, starting: str) -> Finding:
    """The finding for a server that did not answer; `starting` is how to start it."""
    remedies = {
        Failure.CERTIFICATE: "Trust the authority of its certificate: export SSL_CERT_FILE=/path/to/authority.pem",
        Failure.REFUSED: f"Check host and port; {starting}",
        Failure.HOST_NOT_FOUND: "Check the name of the host; names of Docker's networks, such as nuclio, are known to "
        "containers only",
        Failure.TIMED_OUT: f"Check host, port and firewall; {starting}",
    }
    remedy = remedies.get(failed.failure, f"Check the URL; {starting}")
    return error(url, f"no response: {failed}.", f"{remedy}{http.proxy_hint(url)}.")


def _ours(url: str, listed: Mapping[str, Any], functions: Sequence[LocalFunction]) -> Iterator[Finding]:
    for path in {function.path: None for function in functions}:
        variants = [function for function in functions if function.path == path]
        present = [function for function in variants if function.name in listed]
        if not present:
            names = " and ".join(function.name for function in variants)
            yield error(url, f"does not list {names}.", f"./deploy.sh cpu {path}, or `preannotate serve` its folder.")
        for function in present:
            yield from compare_with_directory(function, listed[function.name])
            yield from _port(url, function.name, listed[function.name])


def _port(url: str, name: str, one: Listed) -> Iterator[Finding]:
    """Whether anybody listens where CVAT would call directly."""
    port, host = part(one, "status", "httpPort"), urlsplit(url).hostname or ""
    if not isinstance(port, int) or port <= 0:
        if part(one, "status", "state") in READY:
            yield note(
                name,
                "has no port of its own: CVAT can call it through the dashboard only, as in Kubernetes.",
                "With Docker, deploy it again by ./deploy.sh, which gives it a port. In Kubernetes set "
                "CVAT_NUCLIO_INVOKE_METHOD=dashboard for CVAT's backend.",
            )
        return
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as failed:
        yield error(
            name,
            f"nobody answers at {host}:{port}, where CVAT is told to call it ({failed.strerror or failed}).",
            f"Its container does not run (docker ps --all --filter name={name}), a firewall is in between, or Docker "
            f"chose another port at a restart: deploy it again by ./deploy.sh, which gives it a port that stays.",
        )
    else:
        yield ok(name, f"listens at port {port}")


def _remedy(reply: http.Response) -> str:
    if reply.status >= 500:
        return "docker logs --tail 50 nuclio; if it speaks of its storage: docker rm -f nuclio-local-storage-reader"
    return "Look at the URL: expected is that of nuclio's dashboard or of `preannotate serve`."


def _empty(is_serve: bool) -> str:
    if is_serve:
        return "Put function directories (NAME/nuclio) into the folder that is served."
    return f"Deploy with --project-name {PROJECT}; functions of another project are not shown."
