"""`--nuclio`: against a server that answers as nuclio's dashboard does, and against `preannotate serve`."""

import json
import os
import re
import socket
import subprocess
import sys

import pytest

from preannotate.core.http import Failure, NoResponseError
from preannotate.diagnostics import dashboard
from preannotate.diagnostics.finding import error, ok, warning
from preannotate.diagnostics.functions import read_variants


@pytest.fixture
def listed(functions, fingerprint):
    """The function in the directory as nuclio lists it, on a port where somebody listens."""
    spec = json.dumps([{"name": name, "type": kind} for name, kind in functions[0].labels])
    annotations = {"type": "detector", "spec": spec, "preannotate.fingerprint": fingerprint}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield {
            "metadata": {"name": "cats", "namespace": "nuclio", "annotations": annotations},
            "spec": {"description": "Finds cats"},
            "status": {"state": "ready", "httpPort": listener.getsockname()[1]},
        }


def test_nuclio_lists_it(site, functions, listed, fingerprint):
    site.answers = {"/api/functions": (200, {"cats": listed})}

    assert list(dashboard.check(site.url, functions)) == [
        ok(site.url, "nuclio, functions for CVAT: 1"),
        ok("cats", f"deployed as in the directory (model {fingerprint})"),
        ok("cats", f"listens at port {listed['status']['httpPort']}"),
    ]
    headers = site.requests[0][2]
    assert (headers["x-nuclio-project-name"], headers["x-nuclio-function-namespace"]) == ("cvat", "nuclio")


def test_nuclio_has_nothing_for_cvat(site, functions, directory):
    site.answers = {"/api/functions": (200, {})}
    _, empty, missing = dashboard.check(site.url, functions)

    assert empty == warning(
        site.url,
        "no function: CVAT's Models page is empty.",
        "Deploy with --project-name cvat; functions of another project are not shown.",
    )
    assert missing == error(
        site.url,
        "does not list cats and cats-gpu.",
        f"./deploy.sh cpu {directory.parent}, or `preannotate serve` its folder.",
    )


def test_a_redirect_is_not_followed(site):
    site.answers = {"/api/functions": (302, "https://elsewhere.example.org/login")}

    assert list(dashboard.check(site.url, [])) == [
        error(site.url, "redirects to https://elsewhere.example.org/login.", "Use the URL that it redirects to.")
    ]
    assert {path for _, path, *_ in site.requests} == {"/api/functions", "/healthz"}


@pytest.mark.parametrize(
    ("failure", "remedy"),
    [
        (Failure.REFUSED, "Check host and port; start it."),
        (Failure.TIMED_OUT, "Check host, port and firewall; start it."),
        (
            Failure.HOST_NOT_FOUND,
            "Check the name of the host; names of Docker's networks, such as nuclio, are known to containers only.",
        ),
        (
            Failure.CERTIFICATE,
            "Trust the authority of its certificate: export SSL_CERT_FILE=/path/to/authority.pem.",
        ),
        (Failure.BROKEN_OFF, "Check the URL; start it."),
    ],
)
def test_no_response(failure, remedy):
    found = dashboard.no_response("http://nuclio:8070", NoResponseError(failure), starting="start it")

    assert found == error("http://nuclio:8070", f"no response: {failure.value}.", remedy)


def test_a_proxy_is_mentioned_where_there_is_one(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://user:secret@proxy")
    found = dashboard.no_response("http://cvat:8080", NoResponseError(Failure.TIMED_OUT), starting="start it")

    assert found.remedy == (
        "Check host, port and firewall; start it (a proxy is set: if it should not be used, add cvat to no_proxy)."
    )
    assert "secret" not in str(found)


def test_a_stale_port(site, functions, listed):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = listed["status"]["httpPort"] = taken.getsockname()[1]
        site.answers = {"/api/functions": (200, {"cats": listed})}
        found = list(dashboard.check(site.url, functions))[-1]

    assert found.severity == "error"
    assert found.finding == (f"nobody answers at 127.0.0.1:{port}, where CVAT is told to call it (Connection refused).")


def test_a_function_without_a_port_of_its_own(site, functions, listed):
    del listed["status"]["httpPort"]
    site.answers = {"/api/functions": (200, {"cats": listed})}

    assert list(dashboard.check(site.url, functions))[-1].finding == (
        "has no port of its own: CVAT can call it through the dashboard only, as in Kubernetes."
    )


def test_a_stranger_that_spoils_the_list(site, listed):
    stranger = {"metadata": {"name": "sam"}, "spec": {"description": "x"}, "status": {"state": "ready"}}
    site.answers = {"/api/functions": (200, {"cats": listed, "sam": stranger})}
    _, found = dashboard.check(site.url, [])

    assert (found.severity, found.where) == ("error", "sam")


def test_a_dashboard_in_trouble(site):
    site.answers = {"/api/functions": (500, {"error": "Failed to read functions from local store"})}

    assert list(dashboard.check(site.url, [])) == [
        error(
            site.url,
            "answers 500 to /api/functions: Failed to read functions from local store; that is no list of functions.",
            "docker logs --tail 50 nuclio; if it speaks of its storage: docker rm -f nuclio-local-storage-reader",
        )
    ]


def test_something_else_than_nuclio(site):
    (found,) = dashboard.check(site.url, [])

    assert found == error(
        site.url,
        "answers 404 to /api/functions: not found; that is no list of functions.",
        "Look at the URL: expected is that of nuclio's dashboard or of `preannotate serve`.",
    )


def test_nobody_is_there():
    (found,) = dashboard.check("http://127.0.0.1:9", [])

    assert found.remedy == ("Check host and port; start nuclio's dashboard, or `preannotate serve functions/`.")


@pytest.mark.slow
def test_preannotate_serve(runnable, monkeypatch):
    """The real server, with a token, a good function and a broken one."""
    for package in ("nuclio_sdk", "starlette", "uvicorn"):
        pytest.importorskip(package)
    broken = runnable.parents[1] / "dogs" / "nuclio"
    broken.mkdir(parents=True)
    (broken / "function.yaml").write_text("metadata: {name: dogs}\nspec: {description: dogs}\n")
    folder = runnable.parents[1]
    environment = {
        **os.environ,
        "PREANNOTATE_TOKEN": "a-token-of-many-characters",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "preannotate", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            url = re.search(r"http://\S+:\d+", server.stdout.readline())[0]
            assert list(dashboard.check(url, [])) == [
                error(url, "wants a token.", "export PREANNOTATE_TOKEN=…   (that of `preannotate serve`)")
            ]
            monkeypatch.setenv("PREANNOTATE_TOKEN", "a-token-of-many-characters")
            found = list(dashboard.check(url, read_variants(runnable, runnable)[0]))
        finally:
            server.terminate()

    assert found[0] == ok(url, "`preannotate serve`, functions for CVAT: 1")
    (problem,) = (finding for finding in found if finding.severity == "error")
    assert problem == error(
        "not served",
        f"{broken}/function.yaml: metadata.annotations is None; expected type, spec and version. CVAT would list no "
        f"function at all.",
        "Correct the directory.",
    )
    assert any(finding.finding.startswith("listens at port ") or "is building" in finding.finding for finding in found)
