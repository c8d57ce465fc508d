"""`--cvat URL`: what CVAT itself says of the functions, and one call of them.

The login comes from the environment, by the names that cvat-cli uses: CVAT_ACCESS_TOKEN; or CVAT_USERNAME (else the
name of the current user) with PASS or CVAT_PASSWORD.
"""

import base64
import getpass
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from preannotate.core import http
from preannotate.diagnostics.dashboard import no_response, redirected
from preannotate.diagnostics.finding import Finding, error, note, ok, warning
from preannotate.diagnostics.listing import different_labels
from preannotate.diagnostics.local import LocalFunction

# CVAT itself waits 120 s; whoever asks here does not.
CALL_SECONDS = 20.0
_ACCEPT = {"Accept": "application/vnd.cvat+json"}
_STARTING = "start CVAT (docker compose up -d)."
_LOGIN = (
    "export CVAT_ACCESS_TOKEN=…   (in CVAT: your profile, Security); older servers: CVAT_USERNAME and CVAT_PASSWORD"
)
BEHIND = (
    "preannotate doctor --nuclio http://HOST:8070 names the function; `docker logs --tail 100 cvat_server` the cause."
)
# What the list answers with, and why.
LIST_STATUS = {
    401: ("the login is not accepted", _LOGIN),
    403: ("this user may not list models", "Ask an administrator of CVAT to put the user into the group `user`."),
    404: (
        "no such page, or (CVAT before 2.28) one function has a label or attribute twice",
        f"Look at the URL, then at the functions: {BEHIND}",
    ),
    500: ("one function in the list has metadata that CVAT cannot read, and so nobody sees any", BEHIND),
    503: (
        "CVAT cannot reach nuclio",
        "Start nuclio's dashboard or `preannotate serve`; look at CVAT_NUCLIO_HOST, CVAT_NUCLIO_PORT and no_proxy of "
        "cvat_server (`preannotate doctor` on its machine does).",
    ),
    504: ("nuclio does not answer CVAT in time", "docker restart nuclio; docker logs --tail 50 nuclio"),
}
# What a call answers with, and why.
CALL_STATUS = {
    400: ("the function or CVAT refused the request", "Look at task and frame; the function's log says more."),
    403: ("this user may not call models on the task", "Use a user that may annotate the task."),
    404: ("CVAT or nuclio does not know the function or the task", "Look at the name and the number of the task."),
    408: (
        "the function took longer than its eventTimeout; nuclio ended its worker, which loads the model again",
        "Give it more processor time, or raise eventTimeout in function.yaml (stay below 55s).",
    ),
    500: (
        "the function failed",
        "docker logs --tail 100 nuclio-nuclio-NAME says why; `preannotate doctor DIRECTORY` tries it.",
    ),
    502: ("something between CVAT and the function failed", "docker logs --tail 100 nuclio-nuclio-NAME"),
    503: (
        "CVAT does not reach the function, or all of its workers are busy",
        "`preannotate doctor DIRECTORY` on nuclio's machine compares the ports; a fixed `port:` keeps them equal.",
    ),
    504: (
        "no answer in time",
        "The first request after a start may be slow: ask again; then look for what is busy (top).",
    ),
}


def check(
    url: str, functions: Sequence[LocalFunction], *, task: int | None = None, frame: int = 0
) -> Iterator[Finding]:
    """CVAT, its list of models, the given functions in it, and a call of each if a task is named.

    A call changes nothing in the task: CVAT only stores what the web page or a batch asks it to.
    """
    try:
        reply = http.request("GET", f"{url}/api/server/about", headers=_ACCEPT)
    except http.NoResponseError as failed:
        yield no_response(url, failed, starting=_STARTING)
        return
    if 300 <= reply.status < 400:
        yield redirected(url, reply)
        return
    about = reply.json()
    if reply.status != 200 or not isinstance(about, dict) or "version" not in about:
        yield error(url, f"answers {reply.status} to /api/server/about: this is not CVAT.", "Give CVAT's own address.")
        return
    yield ok(url, f"CVAT {about['version']}")
    headers = login()
    if headers is None:
        yield note(url, "without a login its list of models cannot be asked for.", _LOGIN)
        return
    if urlsplit(url).scheme == "http" and urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"):
        yield note(url, "the login travels unencrypted.", "Use https:// if the network is not yours alone.")
    yield from _plugin(url, headers)
    listed = yield from _list(url, headers)
    if listed is None:
        return
    for path in {function.path: None for function in functions}:
        variants = [function for function in functions if function.path == path]
        present = [function for function in variants if function.name in listed]
        if not present:
            yield _not_listed(url, variants, listed)
        for function in present:
            yield from _same_labels(function, listed[function.name])
            if task is not None:
                yield from _labels_of_task(url, headers, function, task)
                yield from _call(url, headers, function, task, frame)


def login() -> dict[str, str] | None:
    """The header that logs in; None if the environment has none."""
    if token := os.environ.get("CVAT_ACCESS_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    password = os.environ.get("PASS") or os.environ.get("CVAT_PASSWORD")
    if not password:
        return None
    user = os.environ.get("CVAT_USERNAME") or getpass.getuser()
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode('ascii')}"}


def _plugin(url: str, headers: Mapping[str, str]) -> Iterator[Finding]:
    plugins = _ask(f"{url}/api/server/plugins", headers).json()
    if isinstance(plugins, dict) and plugins.get("MODELS") is False:
        yield error(
            url,
            "CVAT was started without its serverless part: it has no Models page.",
            "Set CVAT_SERVERLESS=1 for cvat_server, or start it with "
            "-f components/serverless/docker-compose.serverless.yml",
        )


def _list(url: str, headers: Mapping[str, str]) -> Iterator[Finding]:
    """Yields findings; returns the listed functions by id, or None."""
    reply = _ask(f"{url}/api/lambda/functions", headers, seconds=CALL_SECONDS)
    content = reply.json()
    if reply.status == 200 and isinstance(content, list):
        listed = {str(one.get("id")): one for one in content if isinstance(one, dict)}
        if listed:
            yield ok("models", f"{len(listed)}: {', '.join(sorted(listed))}")
        else:
            yield warning(
                "models",
                "CVAT lists none: nuclio has no function in project cvat.",
                "Deploy with --project-name cvat (deploy.sh does), or put a directory where `preannotate serve` looks.",
            )
        return listed
    cause, remedy = LIST_STATUS.get(reply.status, ("that is no list of models", BEHIND))
    yield _refused("models", reply, cause, remedy)
    return None


def _not_listed(url: str, variants: Sequence[LocalFunction], listed: Mapping[str, Any]) -> Finding:
    names = " and ".join(function.name for function in variants)
    return error(
        names,
        f"{'is' if len(variants) == 1 else 'are'} not among the {len(listed)} models of {url}.",
        f"./deploy.sh cpu {variants[0].path}, or `preannotate serve` where CVAT_NUCLIO_HOST points.",
    )


def _same_labels(function: LocalFunction, listed: Mapping[str, Any]) -> Iterator[Finding]:
    labels = listed.get("labels_v2")
    if not isinstance(labels, list):
        return
    there = tuple(sorted((str(label.get("name")), str(label.get("type"))) for label in labels))
    differing = different_labels(there, function.labels)
    if differing:
        yield warning(
            function.name,
            f"CVAT knows other labels than the directory has: {differing}.",
            f"Deploy {function.path} again.",
        )
    else:
        yield ok(function.name, f"listed, with its {len(there)} labels")


def _labels_of_task(url: str, headers: Mapping[str, str], function: LocalFunction, task: int) -> Iterator[Finding]:
    """CVAT drops a box without a word if its label is not in the task, or of a type that takes no rectangles."""
    content = _ask(f"{url}/api/labels?task_id={task}&page_size=500", headers).json()
    if not isinstance(content, dict) or not isinstance(content.get("results"), list):
        return
    labels = {str(one.get("name")): str(one.get("type", "any")) for one in content["results"]}
    matching = [name for name, kind in function.labels if labels.get(name) in ("any", kind)]
    lost = sorted({name for name, _ in function.labels} - set(matching))
    if not lost:
        return
    severity = warning if matching else error
    yield severity(
        f"labels of task {task}",
        f"{'none of the' if not matching else 'some'} labels of {function.name} match by name and type; CVAT drops "
        f"boxes of {', '.join(map(repr, lost))} without a word.",
        "Choose the task's labels beside the model's in the dialog of Automatic annotation, or rename them in "
        "function.yaml and deploy again.",
    )


def _call(url: str, headers: Mapping[str, str], function: LocalFunction, task: int, frame: int) -> Iterator[Finding]:
    where = f"call of {function.name} on frame {frame} of task {task}"
    body = {"task": task, "frame": frame}
    reply = _ask(f"{url}/api/lambda/functions/{function.name}", headers, body=body, seconds=CALL_SECONDS)
    content = reply.json()
    if reply.status == 200:
        shapes = content.get("shapes") if isinstance(content, dict) else content
        if isinstance(shapes, list):
            yield ok(where, f"{len(shapes)} shapes")
            return
    cause, remedy = CALL_STATUS.get(reply.status, ("that is no list of shapes", CALL_STATUS[500][1]))
    remedy = remedy.replace("NAME", function.name).replace("DIRECTORY", str(function.path))
    yield _refused(where, reply, cause, remedy)


def _ask(
    url: str, headers: Mapping[str, str], *, body: Any = None, seconds: float = http.TIMEOUT_SECONDS
) -> http.Response:
    method = "GET" if body is None else "POST"
    try:
        return http.request(method, url, headers=_ACCEPT | dict(headers), json_body=body, timeout=seconds)
    except http.NoResponseError as failed:
        return http.Response(0, json.dumps(str(failed)).encode())


def _refused(where: str, reply: http.Response, cause: str, remedy: str) -> Finding:
    if not reply.status:
        return error(where, f"no answer: {reply.message()}.", remedy)
    said = f" ({reply.message()})" if reply.message() else ""
    return error(where, f"{reply.status}: {cause}{said}.", remedy)
