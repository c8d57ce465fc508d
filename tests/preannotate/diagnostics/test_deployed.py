import json
from dataclasses import replace

import pytest

from preannotate.core.child_process import Result
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


def ready(docker, answer="200\n"):
    """The function's workers answer so inside their container."""
    docker.says({"exec nuclio-nuclio-cats": (answer, "", 0)})


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


def test_a_function_at_work(functions, record, fingerprint, docker):
    ready(docker)
    found = machine(CATS, records=[record])
    assert list(deployed.functions(found, functions)) == [
        ok("cats", f"deployed as in the directory (model {fingerprint})")
    ]
    assert list(deployed.containers(found)) == [
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


def test_the_port_changed_with_a_restart(record, docker):
    ready(docker)
    record["status"]["httpPort"] = 49153
    found = list(deployed.containers(machine(CATS, records=[record])))

    assert found[-1] == error(
        "nuclio-nuclio-cats",
        "listens at port 32768, and nuclio tells CVAT 49153 (status 503, connection refused): Docker chose another "
        "port at a restart.",
        "Deploy cats again by ./deploy.sh, which gives it a port that stays.",
    )


def test_a_port_that_nobody_can_reach(docker):
    ready(docker)
    (_, found) = deployed.containers(machine(replace(CATS, ports=())))

    assert found.finding == "its port is not published: CVAT's direct calls cannot reach it."


def test_a_deployment_that_failed_while_the_version_before_still_answers(record, docker):
    ready(docker)
    record["status"] = {"state": "error", "message": "\nError - exit status 1\n", "httpPort": 0}
    found = list(deployed.containers(machine(CATS, records=[record])))

    assert found[-1] == error(
        "nuclio-nuclio-cats",
        "still answers at port 32768, and nuclio does not tell CVAT: the last deployment of cats failed.",
        "Deploy it again, or go back: ./deploy.sh rollback cats 0123",
    )


DOGS = replace(
    CATS,
    name="nuclio-nuclio-dogs",
    labels={"nuclio.io/function-name": "dogs"},
    addresses=frozenset({"172.17.0.4"}),
)


def test_addresses_that_a_restart_of_docker_exchanged(record, docker):
    docker.says({"exec": ("200\n", "", 0)})
    record["status"]["internalInvocationUrls"] = ["172.17.0.4:8080"]
    cats = replace(CATS, addresses=frozenset({"172.17.0.5"}))
    finding = (
        "has the address 172.17.0.5, and nuclio keeps 172.17.0.4, from before a restart of Docker: when nuclio's "
        "dashboard calls cats, nuclio-nuclio-dogs answers in its place."
    )
    assert list(deployed.containers(machine(cats, DOGS, records=[record])))[2] == warning(
        "nuclio-nuclio-cats",
        finding,
        "Deploy cats again; CVAT's direct calls go to its port and are not affected.",
    )
    server = Container("cvat_server", "cvat/server", "running", settings={"CVAT_NUCLIO_INVOKE_METHOD": "dashboard"})
    assert list(deployed.containers(machine(cats, DOGS, server, records=[record])))[2] == error(
        "nuclio-nuclio-cats",
        finding,
        "Deploy cats again; and let CVAT call ports, which stay: remove CVAT_NUCLIO_INVOKE_METHOD=dashboard.",
    )


@pytest.mark.parametrize("kept", [["172.17.0.5:8080"], ["http://172.17.0.5:8080"], ["nuclio-nuclio-cats:8080"], []])
def test_addresses_that_are_right_or_are_names(record, docker, kept):
    ready(docker)
    record["status"]["internalInvocationUrls"] = kept
    found = list(deployed.containers(machine(replace(CATS, addresses=frozenset({"172.17.0.5"})), records=[record])))
    assert [one.severity for one in found] == ["ok", "ok"]


def test_a_damaged_record_is_named():
    path = "/etc/nuclio/store/functions/nuclio/cats.json"
    found = replace(machine(DASHBOARD, records=None, projects=None), damaged=(path,))
    assert list(deployed.list_of_cvat(found)) == [
        error(
            "nuclio's store",
            f"{path} cannot be read: nuctl says `illegal base64 data`, and the Models page fails.",
            f"docker exec nuclio-local-storage-reader rm {path}, then deploy the function of that name again.",
        )
    ]


LOG = """24.03.21 12:56:11 (D) processor Read configuration {"config": "env TOKEN=top-secret Error"}
24.03.21 12:56:12 (I) processor Init context...  0%
Traceback (most recent call last):
  File "/opt/nuclio/main.py", line 3, in <module>
ModuleNotFoundError: No module named 'openvino'
24.03.21 12:56:13 (I) processor Error rate 0
"""


def log(docker, words, container="nuclio-nuclio-cats"):
    docker.says({f"logs --tail 300 {container}": ("", words, 0)})


@pytest.mark.parametrize(
    "moment",
    [
        {"status": "restarting", "health": "", "exit_code": 1},
        {"status": "running", "health": "starting", "exit_code": 0},
        {"status": "running", "health": "healthy", "exit_code": 0},
        {"status": "running", "health": "unhealthy", "exit_code": 0},
    ],
)
def test_a_container_that_crashes_again_and_again_looks_the_same_in_every_moment(docker, moment):
    log(docker, LOG)
    docker.says({"exec nuclio-nuclio-cats": ("", "ConnectionRefusedError", 1)})
    container = replace(CATS, restarts=9, **moment)

    assert next(iter(deployed.containers(machine(container)))) == error(
        "nuclio-nuclio-cats",
        "ends again and again soon after it is started; its log says: ModuleNotFoundError: No module named 'openvino'.",
        "The base image does not fit: ./deploy.sh cpu --rebuild-base functions/NAME",
    )


def test_a_container_that_ran_out_of_memory(docker):
    log(docker, "")
    container = replace(CATS, status="exited", health="", exit_code=137, out_of_memory=True)
    (found,) = deployed.containers(machine(container))

    assert found.finding == "is exited (killed: out of memory)."
    assert found.remedy == "Lower numWorkers in its function.yaml, or give it more memory; then deploy it again."


def test_a_container_that_was_stopped(docker):
    log(docker, "24.03.21 12:56:12 (I) processor Ready\n")
    (found,) = deployed.containers(machine(replace(CATS, status="exited", health="")))

    assert (found.finding, found.remedy) == ("is exited.", "docker start nuclio-nuclio-cats")


def test_a_worker_that_is_killed_again_and_again(docker):
    log(docker, "\x1b[31m24.03.21 (E)\x1b[0m processor Wrapper process exited unexpectedly: signal: killed\n")
    ready(docker, "503\n")
    found = next(iter(deployed.containers(machine(replace(CATS, restarts=1)))))

    assert found.finding == (
        "ends again and again soon after it is started (killed: out of memory); its log says: 24.03.21 (E) processor "
        "Wrapper process exited unexpectedly: signal: killed."
    )
    assert found.remedy.startswith("Lower numWorkers")


def test_a_processor_that_is_killed_leaves_no_word_in_the_log(docker, monkeypatch):
    monkeypatch.setattr(deployed, "_LOOK_SECONDS", 0.0)
    log(docker, "")
    ready(docker, "503\n")
    docker.says({"inspect --format {{.State.OOMKilled}} {{.State.ExitCode}}": ("false 137\n", "", 0)})
    found = next(iter(deployed.containers(machine(replace(CATS, restarts=3)))))

    assert found.finding == "ends again and again soon after it is started (killed: out of memory)."
    assert found.remedy.startswith("Lower numWorkers")


def test_a_container_that_loads_its_model_or_was_started_again_once(docker):
    log(docker, "")
    ready(docker, "503\n")
    starting = next(iter(deployed.containers(machine(CATS))))
    ready(docker)
    again = next(iter(deployed.containers(machine(replace(CATS, restarts=2)))))

    assert (starting.severity, starting.finding) == ("note", "is starting.")
    assert (again.severity, again.finding) == ("warning", "running, and Docker had to start it again 2 times.")


def test_a_machine_that_is_too_busy_to_answer_is_no_error(docker, monkeypatch):
    ready(docker)
    monkeypatch.setattr(deployed, "run_tool", lambda *_, **__: Result(None, not_run="no answer within 10 s"))
    assert next(iter(deployed.containers(machine(CATS)))) == ok("nuclio-nuclio-cats", "running")


def test_workers_that_are_too_busy_to_say_that_they_are_ready_are_no_error(docker):
    log(docker, "")
    docker.says({"exec nuclio-nuclio-cats": ("", "TimeoutError: timed out", 1)})
    found = next(iter(deployed.containers(machine(replace(CATS, restarts=1)))))
    assert (found.severity, found.finding) == ("warning", "running, and Docker had to start it again 1 times.")


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
