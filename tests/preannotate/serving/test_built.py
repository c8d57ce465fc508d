"""A really built function behind the server: both variants, and many requests."""

import asyncio
import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from preannotate.serving.function_config import GPU_FILE
from runtime.boxes import iou

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HEADERS = {"Content-Type": "application/json", "x-nuclio-function-name": "squares"}


@pytest.fixture
def functions(squares_built, tmp_path: Path) -> Path:
    """A folder of our own with functions/squares."""
    shutil.copytree(squares_built.directory.parent, tmp_path / "functions" / "squares")
    return tmp_path / "functions"


@pytest.fixture
def bodies(squares_export: Path) -> list[bytes]:
    """What CVAT would send for each validation image."""
    images = sorted((squares_export / "validation" / "images").iterdir())
    return [json.dumps({"image": base64.b64encode(image.read_bytes()).decode()}).encode() for image in images]


async def ask_all(client: httpx.AsyncClient, name: str, bodies: list[bytes]) -> list[list[dict[str, Any]]]:
    headers = {**HEADERS, "x-nuclio-function-name": name}
    sent = [client.post("/api/function_invocations", content=body, headers=headers, timeout=60) for body in bodies]
    answers = await asyncio.gather(*sent)
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json() for answer in answers]


async def test_gpu_variant_gives_the_answers_of_the_cpu_variant(functions, bodies, serving, caplog):
    caplog.set_level("INFO")
    async with serving() as (registry, client):
        assert list(registry.functions) == ["squares"]
        on_cpu = await ask_all(client, "squares", bodies)
    async with serving(file_name=GPU_FILE, gpus=("GPU-none0", "GPU-none1")) as (registry, client):
        assert list(registry.functions) == ["squares-gpu"]
        assert registry.functions["squares-gpu"].health()["workers"] == 2
        on_gpu = await ask_all(client, "squares-gpu", bodies)

    assert sum(map(len, on_cpu)) > 0
    for cpu, gpu in zip(on_cpu, on_gpu, strict=True):
        assert sorted(box["label"] for box in gpu) == sorted(box["label"] for box in cpu)
        for box in gpu:
            same = [other for other in cpu if other["label"] == box["label"]]
            closest = max(same, key=lambda other: _overlap(other["points"], box["points"]))
            assert _overlap(closest["points"], box["points"]) > 0.99
            assert float(closest["confidence"]) == pytest.approx(float(box["confidence"]), abs=0.01)
    for gpu in ("GPU-none0", "GPU-none1"):  # so that it is the CPU wherever the tests run
        assert f"TensorFlow sees no GPU, with CUDA_VISIBLE_DEVICES={gpu!r}" in caplog.text


def _overlap(one: list[float], other: list[float]) -> float:
    return float(iou(np.array([one]), np.array([other]))[0, 0])


async def test_memory_stays_where_it_was_over_many_requests(functions, bodies, start_server):
    """5,000 requests say the same, in 11 s; this is a shorter walk on the same way."""
    server = start_server(functions)
    this = psutil.Process(server.process.pid)
    bad = [b"{}", b"", b'{"image": "bm8="}', b"\xff" * 1000]
    seen = set()

    def ask(client: httpx.Client, count: int) -> list[int]:
        for number in range(count):
            body = (bodies + bad)[number % (len(bodies) + len(bad))]
            seen.add(client.post("/api/function_invocations", content=body, headers=HEADERS).status_code)
        return [process.memory_info().rss for process in (this, *this.children())]

    with httpx.Client(base_url=server.url, timeout=60) as client:
        before = ask(client, 300)
        files = this.num_fds()
        after = ask(client, 900)
        assert this.num_fds() == files

    assert len(after) == 3
    assert seen == {200, 400}
    assert all(later <= 1.05 * earlier for earlier, later in zip(before, after, strict=True))
    assert server.end() == 0


def test_hostile_requests_and_killed_workers_leave_nothing_unanswered(functions):
    """The benchmark, short: `benchmarks/serving_accidents.py` sends 10,000 requests and kills 100 workers."""
    script = Path(__file__).parents[3] / "benchmarks" / "serving_accidents.py"
    command = [sys.executable, str(script), str(functions / "squares"), "--requests", "300", "--kills", "4"]
    figures = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)

    requests, kills = figures["requests"], figures["kills"]
    assert (requests["unanswered"], requests["status 500 or more"]) == ({}, {})
    assert (requests["good ones with another answer"], requests["health"]) == (0, "ok")
    assert kills["kills"] == {"while they ran": 2, "while they started": 2}
    assert (kills["all workers back"], kills["unanswered"], set(kills["answers"])) == (True, 0, {"200"})
