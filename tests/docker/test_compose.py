"""compose.yaml and the files behind it: valid for Compose, closed to others, and each value is what others expect.

The commands of the services and their health checks are run here as they are, without Docker.
"""

import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import tomllib
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
import yaml

from preannotate.cli.main import parser

ROOT = Path(__file__).parents[2]
FILES = ("compose.yaml", "compose.gpu.yaml", "compose.cvat.yaml")
DASHBOARD_PORT, STUDIO_PORT = 8070, 8095
CVAT = """
x-backend-env: &backend-env
  CVAT_POSTGRES_HOST: cvat_db
  no_proxy: clickhouse,grafana,vector,nuclio,opa,${no_proxy:-}
services:
  cvat_server:
    image: cvat/server:${CVAT_VERSION:-v2.54.0}
    environment: {<<: *backend-env, ALLOWED_HOSTS: "*"}
    labels: {traefik.enable: "true"}
    networks: [cvat]
  cvat_worker_annotation:
    image: cvat/server:${CVAT_VERSION:-v2.54.0}
    environment: *backend-env
    networks: [cvat]
networks:
  cvat:
"""


def content(name):
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def ours():
    return content("compose.yaml")


@pytest.fixture(scope="module")
def behind_cvat():
    return content("compose.cvat.yaml")


def substituted(text):
    """What Compose makes of `${NAME:-default}` where nothing is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def validate(*paths):
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_published_schema_knows_every_field():
    done = validate(*(ROOT / name for name in FILES))

    assert done.returncode == 0, done.stdout


def test_the_schema_would_see_a_mistake(tmp_path):
    text = (ROOT / "compose.yaml").read_text("utf-8")
    (tmp_path / "compose.yaml").write_text(text.replace("read_only: true", "readonly: true"), "utf-8")

    assert validate(tmp_path / "compose.yaml").returncode == 1


@pytest.mark.parametrize("name", ["studio", "serve"])
def test_a_service_can_do_nothing_that_it_need_not(ours, name):
    service = ours["services"][name]

    assert service["read_only"] is True
    assert service["user"] == "1000:1000"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["init"] is True
    assert {"mem_limit", "pids_limit", "cpus"} <= service.keys()
    assert all(mount.startswith("/tmp:size=") for mount in service["tmpfs"])
    assert not {"privileged", "network_mode", "pid", "devices", "cap_add"} & service.keys()
    assert not any("docker.sock" in mount for mount in service["volumes"])


def test_only_this_machine_reaches_the_studio_and_only_cvat_the_functions(ours):
    assert [substituted(port) for port in ours["services"]["studio"]["ports"]] == [f"127.0.0.1:{STUDIO_PORT}:8095"]
    assert "ports" not in ours["services"]["serve"]


def test_serve_sees_what_is_published_and_no_login(ours):
    """Logins to CVAT lie in WORKSPACE/.secrets, on the other volume."""
    arguments = parser().parse_args(ours["services"]["serve"]["command"][1:])

    assert ours["services"]["serve"]["volumes"] == [f"functions:/data/{arguments.functions}:ro"]
    assert ours["services"]["studio"]["volumes"] == ["data:/data", f"functions:/data/{arguments.functions}"]
    assert "environment" not in ours["services"]["serve"]
    assert set(ours["volumes"]) == {"data", "functions"}


def test_the_studio_needs_its_token(ours):
    arguments = parser().parse_args(ours["services"]["studio"]["command"][1:])

    assert arguments.keep_token
    assert (arguments.host, arguments.port, str(arguments.workspace)) == ("0.0.0.0", STUDIO_PORT, "workspace")


def test_cvat_looks_for_functions_where_serve_is(ours, behind_cvat):
    serve = ours["services"]["serve"]
    arguments = parser().parse_args(serve["command"][1:])
    network = behind_cvat["networks"]["preannotate"]

    for name in ("cvat_server", "cvat_worker_annotation"):
        service = behind_cvat["services"][name]
        assert service["environment"] == {
            "CVAT_SERVERLESS": "1",
            "CVAT_NUCLIO_HOST": serve["networks"]["preannotate"]["aliases"][0],
            "CVAT_NUCLIO_PORT": str(arguments.port),
            "CVAT_NUCLIO_INVOKE_METHOD": "dashboard",
        }
        assert service["networks"] == ["cvat", "preannotate"]
    assert network == {"name": ours["networks"]["preannotate"]["name"], "external": True}


def test_the_studio_reaches_the_cvat_of_this_machine(ours, monkeypatch):
    pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")
    from preannotate.cvat import limited_http

    text = substituted(ours["services"]["studio"]["environment"]["PREANNOTATE_CVAT_CONNECT_TO"])
    monkeypatch.setenv(limited_http.CONNECT_VARIABLE, text)

    assert limited_http.connect_to() == limited_http.ConnectTo(("localhost", 8080), ("cvat_server", 8080))


@pytest.mark.parametrize(("name", "suffix"), [("compose.yaml", ""), ("compose.gpu.yaml", "-gpu")])
def test_both_services_have_the_image_of_this_version(name, suffix):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    images = {substituted(service["image"]) for service in content(name)["services"].values()}

    assert images == {f"preannotate:{version}{suffix}"}


def test_one_service_builds_the_image(ours):
    """Two would build it twice where there is no BuildKit."""
    build = ours["services"]["studio"]["build"]
    dockerfile = (ROOT / build["dockerfile"]).read_text("utf-8")

    assert "build" not in ours["services"]["serve"]
    for name, value in build["args"].items():
        assert re.search(rf"^ARG {name}(=|$)", dockerfile, re.MULTILINE), name
        if value is not None:
            assert f"ARG {name}={substituted(value)}\n" in dockerfile
    for target in (build["target"], content("compose.gpu.yaml")["services"]["studio"]["build"]["target"]):
        assert re.search(rf"^FROM runtime AS {target}$", dockerfile, re.MULTILINE)


def compose(*words, folder):
    """What `docker compose` answers, as JSON; it needs no engine for this."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    ):
        pytest.skip("docker compose is not installed")
    settings = ("PREANNOTATE_", "COMPOSE_", "PIP_", "BASE_IMAGE", "WHEELS", "CERTIFICATES")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    command = ["docker", "compose", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_compose_itself_puts_the_files_together(tmp_path):
    files = ["-f", str(ROOT / "compose.yaml"), "-f", str(ROOT / "compose.gpu.yaml")]
    services = compose(*files, "config", "--format", "json", folder=tmp_path)["services"]

    assert services["studio"]["build"]["target"] == "gpu"
    assert services["studio"]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    assert services["studio"]["read_only"] is True


def test_compose_itself_adds_to_cvats_file_and_takes_nothing_from_it(tmp_path):
    folder = tmp_path / "cvat"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(CVAT, "utf-8")
    files = ["-f", "docker-compose.yml", "-f", str(ROOT / "compose.cvat.yaml")]
    found = compose(*files, "config", "--format", "json", folder=folder)

    for name in ("cvat_server", "cvat_worker_annotation"):
        service = found["services"][name]
        assert service["environment"]["CVAT_POSTGRES_HOST"] == "cvat_db"
        assert "nuclio" in service["environment"]["no_proxy"].split(",")
        assert service["environment"]["CVAT_NUCLIO_HOST"] == "nuclio"
        assert set(service["networks"]) == {"cvat", "preannotate"}
        assert service["labels"]["traefik.docker.network"] == found["networks"]["cvat"]["name"]
    assert found["services"]["cvat_server"]["labels"]["traefik.enable"] == "true"
    assert found["networks"]["preannotate"]["external"] is True


@contextmanager
def answering(status):
    """A server on a free port whose /healthz answers so."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/healthz" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def probe(service, port):
    """Run the health check of a service, at another port, where a proxy is set that leads nowhere."""
    kind, program, *arguments = service["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    environment = os.environ | {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "no_proxy": ""}
    command = [sys.executable, *arguments[:-1], str(port)]
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False).returncode


@pytest.mark.parametrize(("name", "port"), [("studio", STUDIO_PORT), ("serve", DASHBOARD_PORT)])
def test_health_checks_ask_the_service_and_see_that_it_is_ill(ours, name, port):
    service = ours["services"][name]

    assert service["healthcheck"]["test"][-1] == str(port)
    with answering(200) as well:
        assert probe(service, well) == 0
    with answering(503) as ill:
        assert probe(service, ill) != 0
    assert probe(service, ill) != 0


@contextmanager
def started(service, data, *more):
    """Run the command of a service in place of its container; gives its first line."""
    (data / "workspace" / "functions").mkdir(parents=True, exist_ok=True)
    (data / "home").mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREANNOTATE_")}
    environment |= {"HOME": str(data / "home"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", *service["command"], *more]
    with subprocess.Popen(command, cwd=data, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.slow
def test_serve_is_healthy_before_there_is_a_model(ours, tmp_path):
    service = ours["services"]["serve"]
    with started(service, tmp_path, "--port", "0") as line:
        port = int(re.search(r":(\d+) \(Ctrl-C stops\)", line)[1])
        assert probe(service, port) == 0


def log_in(address, data):
    """Open the address of `studio --print-login` as a browser does, and return what the page after it says."""
    shown = subprocess.run(
        [sys.executable, "-m", "preannotate", "studio", "--print-login"],
        cwd=data,
        env=os.environ | {"PREANNOTATE_STUDIO_URL": address},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    page, _, token = shown.partition("#token=")
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    form_token = re.search(r'name="form_token" value="(\w+)"', browser.open(page).read().decode())[1]
    form = urllib.parse.urlencode({"form_token": form_token, "token": token, "next": "/settings"})
    return token, browser.open(page, form.encode())


@pytest.mark.slow
def test_the_printed_address_logs_in_before_and_after_a_restart(ours, tmp_path):
    pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")
    service, tokens = ours["services"]["studio"], set()
    for _ in range(2):
        with started(service, tmp_path, "--port", "0") as line:
            port = int(re.search(r":(\d+)/", line)[1])
            assert probe(service, port) == 0
            address = f"http://localhost:{port}"
            token, page = log_in(address, tmp_path)
            assert page.url == f"{address}/settings"
            tokens.add(token)
    assert len(tokens) == 1
    assert (tmp_path / "workspace" / ".secrets" / "studio-token").stat().st_mode & 0o777 == 0o600
