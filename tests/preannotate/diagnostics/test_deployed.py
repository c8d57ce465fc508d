import json
from dataclasses import replace

import pytest

from preannotate.diagnostics import deployed
from preannotate.diagnostics.finding import error, note, ok, warning
from preannotate.diagnostics.functions import read_variants
from preannotate.diagnostics.survey import Container, Port, Survey

DASHBOARD = Container("nuclio", "nuclio/dashboard:1.13.0-amd64", "running")
CATS = Container(
    "nuclio-nuclio-cats",
    "preannotate.cats:0123",
    "running",
    health="healthy",
    labels={"nuclio.io/function-name": "cats"},
    ports=(Port("0.0.0.0", 32768, "8080/tcp"),),
)


def machine(*found, records=(), projects=("cvat",)):
    return Survey(
        "27.3.1",
        {one.name: one for one in found},
        None if records is None else tuple(records),
        None if projects is None else frozenset(projects),
    )


@pytest.fixture
def record(functions, fingerprint):
    """nuclio's record of the function in the directory."""
    spec = json.dumps([{"name": name, "type": kind} for name, kind in functions[0].labels])
    annotations = {"type": "detector", "spec": spec, "preannotate.fingerprint": fingerprint}
    return {
        "metadata": {"name": "cats", "labels": {"nuclio.io/project-name": "cvat"}, "annotations": annotations},
        "spec": {"description": "cats"},
        "status": {"state": "ready", "httpPort": 32768},
    }


def test_a_list_that_cvat_can_read(record):
    assert list(deployed.list_of_cvat(machine(DASHBOARD, records=[record]))) == [
        ok("project cvat", "CVAT can read what nuclio says of cats")
    ]


def test_no_project_of_cvat(record):
    (found,) = deployed.list_of_cvat(machine(DASHBOARD, projects=("default",)))

    assert found.where == "project cvat"
    assert found.remedy == "nuctl create project cvat --platform local"


def test_a_stranger_spoils_the_list(record):
    stranger = {**record, "metadata": {"name": "sam", "labels": record["metadata"]["labels"]}}
    (found,) = deployed.list_of_cvat(machine(DASHBOARD, records=[record, stranger]))

    assert (found.severity, found.where) == ("error", "sam")


def test_a_function_in_another_project(record):
    record["metadata"]["labels"] = {"nuclio.io/project-name": "default"}

    assert list(deployed.list_of_cvat(machine(DASHBOARD, records=[record]))) == [
        warning(
            "cats",
            "made for CVAT, and in another project than cvat: CVAT does not show it. (`namespace: cvat` in "
            "function.yaml has no effect.)",
            "Deploy it with --project-name cvat (deploy.sh does).",
        )
    ]


def test_a_store_that_cannot_be_read():
    (found,) = deployed.list_of_cvat(machine(DASHBOARD, records=None, projects=None))
    assert found.severity == "note"
    assert "docker rm -f nuclio-local-storage-reader" in found.remedy

    assert list(deployed.list_of_cvat(machine(records=None, projects=None))) == []


def test_a_function_at_work(functions, record, fingerprint):
    assert list(deployed.functions(machine(CATS, records=[record]), functions)) == [
        ok("cats", f"deployed as in the directory (model {fingerprint})"),
        ok("nuclio-nuclio-cats", "running"),
        ok("nuclio-nuclio-cats", "port 32768"),
    ]


def test_a_function_that_is_not_deployed(functions, directory):
    assert list(deployed.functions(machine(), functions)) == [
        note(
            "cats",
            "is not deployed with nuclio on this machine.",
            f"./deploy.sh cpu {directory.parent}; `preannotate serve` needs no deployment.",
        )
    ]


def test_a_function_whose_container_is_gone(functions, record, directory):
    found = list(deployed.functions(machine(records=[record]), functions))

    assert found[-1] == error(
        "cats",
        "nuclio knows it, and it has no container: its build failed, or its container was removed.",
        f"Deploy {directory.parent} again, and read what nuctl says.",
    )


def test_the_port_changed_with_a_restart(functions, record, directory):
    record["status"]["httpPort"] = 49153
    found = list(deployed.functions(machine(CATS, records=[record]), functions))

    assert found[-1] == error(
        "nuclio-nuclio-cats",
        "listens at port 32768, and nuclio tells CVAT 49153 (status 503, connection refused): Docker chose another "
        "port at a restart.",
        f"Deploy {directory.parent} again, with `port: 32768` beside maxRequestBodySize so that it stays.",
    )


def test_a_port_that_nobody_can_reach(functions):
    (_, found) = deployed.functions(machine(replace(CATS, ports=())), functions)

    assert found.finding == "its port is not published: CVAT's direct calls cannot reach it."


LOG = """24.03.21 12:56:11 (D) processor Read configuration {"config": "env TOKEN=top-secret Error"}
24.03.21 12:56:12 (I) processor Init context...  0%
Traceback (most recent call last):
  File "/opt/nuclio/main.py", line 3, in <module>
ModuleNotFoundError: No module named 'openvino'
24.03.21 12:56:13 (I) processor Error rate 0
"""


def log(docker, words, container="nuclio-nuclio-cats"):
    docker.says({f"logs --tail 300 {container}": ("", words, 0)})


def test_a_container_that_restarts_says_why(functions, docker, directory):
    log(docker, LOG)
    container = replace(CATS, status="restarting", health="", exit_code=1, restarts=9)

    assert list(deployed.functions(machine(container), functions)) == [
        error(
            "nuclio-nuclio-cats",
            "is restarting (exit code 1); its log says: ModuleNotFoundError: No module named 'openvino'.",
            f"The base image does not fit: ./deploy.sh cpu --rebuild-base {directory.parent}",
        )
    ]


def test_a_container_that_ran_out_of_memory(functions, docker):
    log(docker, "")
    container = replace(CATS, status="exited", health="", exit_code=137, out_of_memory=True)
    (found,) = deployed.functions(machine(container), functions)

    assert found.finding == "is exited (killed: out of memory)."
    assert found.remedy == "Lower numWorkers in function.yaml, or give it more memory; then deploy it again."


def test_a_container_that_was_stopped(functions, docker):
    log(docker, "24.03.21 12:56:12 (I) processor Ready\n")
    (found,) = deployed.functions(machine(replace(CATS, status="exited", health="")), functions)

    assert (found.finding, found.remedy) == ("is exited.", "docker start nuclio-nuclio-cats")


def test_an_unhealthy_container(functions, docker, directory):
    log(docker, "\x1b[31m24.03.21 (E)\x1b[0m processor Wrapper process exited unexpectedly: signal: killed\n")
    found = next(iter(deployed.functions(machine(replace(CATS, health="unhealthy")), functions)))

    assert found.finding == (
        "is unhealthy; its log says: 24.03.21 (E) processor Wrapper process exited unexpectedly: signal: killed."
    )
    assert found.remedy.startswith("Lower numWorkers")


def test_a_container_that_starts_or_has_started_again(functions, docker):
    log(docker, "")
    starting = next(iter(deployed.functions(machine(replace(CATS, health="starting")), functions)))
    again = next(iter(deployed.functions(machine(replace(CATS, restarts=2)), functions)))

    assert (starting.severity, starting.finding) == ("note", "is starting.")
    assert (again.severity, again.finding) == ("warning", "running, and Docker had to start it again 2 times.")


def test_the_environment_in_a_log_stays_there(docker):
    log(docker, LOG, "any")
    assert deployed.last_error("any") == "ModuleNotFoundError: No module named 'openvino'"

    log(docker, LOG.splitlines()[0], "any")
    assert deployed.last_error("any") == ""


def gpu_container(**parts):
    return replace(CATS, name="nuclio-nuclio-cats-gpu", labels={"nuclio.io/function-name": "cats-gpu"}, **parts)


def test_a_gpu_that_was_not_handed_over(functions, directory):
    found = list(deployed.functions(machine(gpu_container()), functions))

    assert found[-1] == error(
        "nuclio-nuclio-cats-gpu",
        "was started without a GPU.",
        f"Deploy it with function-gpu.yaml: ./deploy.sh gpu {directory.parent}",
    )


def test_a_gpu_that_is_not_seen(functions, docker):
    log(docker, "(W) TensorFlow sees no GPU; expected one.", "nuclio-nuclio-cats-gpu")
    found = list(deployed.functions(machine(gpu_container(gpu=True)), functions))

    assert found[-1].finding == "has a GPU and does not see it: it runs on the CPU."
    assert "docker run --rm --gpus all" in found[-1].remedy


def test_a_fixed_port_that_another_container_holds(directory):
    path = directory / "function.yaml"
    path.write_text(path.read_text().replace("maxRequestBodySize:", "port: 32768\n        maxRequestBodySize:"))
    functions, _ = read_variants(directory.parent, directory)
    other = replace(CATS, name="nuclio-nuclio-dogs", labels={"nuclio.io/function-name": "dogs"})

    assert list(deployed.ports(machine(CATS), functions)) == []
    assert list(deployed.ports(machine(other), functions)) == [
        error(
            "function.yaml",
            "port 32768 is taken by container nuclio-nuclio-dogs; cats cannot start.",
            "Choose another port in function.yaml.",
        )
    ]


def test_the_base_image(functions, docker):
    image = functions[0].settings.base_image
    question = "image inspect --format {{.Id}} " + image
    docker.says({question: ("sha256:1\n", "", 0)})
    assert list(deployed.base_images(machine(DASHBOARD), functions)) == [ok(image, "the base image is here")]

    docker.says({question: ("", f"Error: No such image: {image}", 1)})
    assert list(deployed.base_images(machine(DASHBOARD), functions)) == [
        note(
            image,
            "no such image here; `nuctl deploy` alone would fail with `pull access denied`.",
            "./deploy.sh cpu builds it before it deploys.",
        )
    ]
    assert list(deployed.base_images(machine(), functions)) == []
