import json
import shutil

import pytest

from preannotate.core import memory
from preannotate.core.child_process import Result
from preannotate.diagnostics import machine
from preannotate.diagnostics.finding import error, note, ok, warning

GIB = 1024**3


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Stands for /proc and /sys/fs/cgroup."""
    for name in ("proc", "cgroup"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(machine, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(machine, "cores", lambda: 2)
    return tmp_path


@pytest.mark.parametrize(
    ("flags", "severity", "text"),
    [
        ("fpu avx avx2", "ok", "2 of 4 cores, AVX2"),
        ("fpu avx", "note", "2 of 4 cores, no AVX2: inference takes two to four times as long."),
        ("fpu sse4_2", "warning", "2 of 4 cores, no AVX: TensorFlow ends with `Illegal instruction`."),
    ],
)
def test_the_instructions_of_the_processor(kernel, flags, severity, text):
    (kernel / "proc" / "cpuinfo").write_text(f"model name\t: Any\nflags\t\t: {flags}\n")
    (found,) = machine.processor()

    assert (found.severity, found.finding) == (severity, text)


def test_a_processor_of_another_kind(kernel, monkeypatch):
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")

    assert list(machine.processor()) == [ok("processor", "aarch64, 2 of 4 cores")]


def test_memory_is_what_the_containers_limit_leaves(kernel):
    (kernel / "proc" / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable:   {8 * 1024**2} kB\n")
    assert list(machine.memory()) == [ok("memory", "8.0 GiB free")]

    (kernel / "cgroup" / "memory.max").write_text(f"{3 * GIB}\n")
    (kernel / "cgroup" / "memory.current").write_text(f"{2 * GIB}\n")
    (found,) = machine.memory()
    assert found == warning(
        "memory",
        "1.0 GiB free; a worker that runs out of memory is killed, and CVAT gets status 503.",
        "Stop what is not needed, raise the container's limit, or lower numWorkers in function.yaml.",
    )


def test_a_system_that_says_nothing(kernel):
    assert list(machine.memory()) == []
    assert list(machine.processor()) == [ok("processor", "x86_64, 2 of 4 cores")]


def test_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(100 * GIB, 99 * GIB, GIB))
    (found,) = machine.disk(tmp_path)

    assert (found.severity, found.finding) == ("warning", "1.0 GiB free; an image of a function takes one.")
    assert "docker image prune" in found.remedy


def test_a_proxy_without_exceptions_for_nuclio(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://user:secret@proxy:3128")
    monkeypatch.setenv("no_proxy", "localhost, nuclio")
    (found,) = machine.proxies()

    assert found == warning(
        "proxy",
        "a proxy is set, and its exceptions lack host.docker.internal: CVAT's containers would ask the proxy for "
        "nuclio (status 503 or 504).",
        "Add host.docker.internal to the environment variable no_proxy, and recreate CVAT's containers "
        "(docker compose up -d).",
    )
    assert "secret" not in str(found)


def test_the_proxy_of_dockers_client(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    proxy = {"httpProxy": "http://user:secret@proxy", "noProxy": "localhost"}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": proxy}}))
    (found,) = machine.proxies()

    assert found.where == "~/.docker/config.json"
    assert found.remedy.startswith("Add nuclio,host.docker.internal to proxies.default.noProxy there")
    assert "secret" not in str(found)


def test_a_proxy_with_all_exceptions(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    monkeypatch.setenv("no_proxy", "nuclio,host.docker.internal")
    assert list(machine.proxies()) == [ok("proxy", "a proxy is set; nuclio and host.docker.internal are excepted")]

    monkeypatch.setenv("no_proxy", "*")
    assert list(machine.proxies()) == []


def test_no_driver(programs):
    assert list(machine.gpu()) == [
        error(
            "GPU",
            "no NVIDIA driver (nvidia-smi: no such command).",
            "Install NVIDIA's driver and reboot; without one use the CPU variant.",
        )
    ]


@pytest.mark.parametrize(("count", "severity"), [("1", "ok"), ("0", "error")])
def test_whether_tensorflow_sees_the_gpu(monkeypatch, count, severity):
    def run_tool(program, *_, **__):
        return Result(0, "NVIDIA T4, 550.1, 15360 MiB\n" if program == "nvidia-smi" else f"{count}\n")

    monkeypatch.setattr(machine, "run_tool", run_tool)
    monkeypatch.setattr(machine, "installed", {"tensorflow-cpu": "2.21"}.get)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    first, second = machine.gpu()

    assert first == ok("GPU", "NVIDIA T4, 550.1, 15360 MiB")
    assert second.severity == severity
    if severity == "error":
        assert second.finding == "TensorFlow sees none (CUDA_VISIBLE_DEVICES is '')."
        assert second.remedy.endswith("pip install 'preannotate[train-gpu]'")


def test_a_driver_without_tensorflow(monkeypatch):
    monkeypatch.setattr(machine, "run_tool", lambda *_, **__: Result(0, "NVIDIA T4\n"))
    monkeypatch.setattr(machine, "installed", {}.get)

    assert list(machine.gpu())[1] == note("GPU", "TensorFlow is not installed.", "pip install 'preannotate[train-gpu]'")
