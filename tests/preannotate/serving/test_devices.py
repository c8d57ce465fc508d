"""`--gpus`, without any GPU: what each worker is told."""

import asyncio
import json
import re
import shutil

import pytest
import yaml

from preannotate.serving.devices import gpu_environment, parse_gpus
from preannotate.serving.errors import ServeError
from preannotate.serving.function_config import GPU_FILE

pytestmark = pytest.mark.anyio

UUID = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"
OTHER = "GPU-11111111-d72c-4106-c12f-20bd9faed9f6"


@pytest.mark.parametrize(
    ("text", "visible", "gpus"),
    [
        ("0", None, ("0",)),
        ("0,1", None, ("0", "1")),
        (" 3 , 01 ", None, ("3", "1")),
        (UUID, None, (UUID,)),
        (f"MIG-{UUID}/1/0,MIG-5", None, (f"MIG-{UUID}/1/0", "MIG-5")),
        # As for every CUDA program, numbers count what is visible.
        ("0,1", "2,3", ("2", "3")),
        ("1", f"{UUID},{OTHER}", (OTHER,)),
        (OTHER, f"{UUID},{OTHER}", (OTHER,)),
        ("0", "2,-1,3", ("2",)),
    ],
)
def test_gpus_are_named_as_cuda_wants_them(text, visible, gpus):
    assert parse_gpus(text, visible) == gpus


@pytest.mark.parametrize(
    "entry", ["", "-1", "one", "0x1", "1.0", "12345", "GPU", "GPU-", "gpu-1", "GPU-a b", "²", "all"]
)
def test_what_is_no_gpu_is_refused(entry):
    sentence = (
        f"--gpus: {entry!r}; expected numbers from 0 on or identifiers (GPU-…, MIG-…) with commas between them, "
        f"as in 0,1. `nvidia-smi -L` lists both."
    )
    for text in (entry, f"0,{entry}"):
        with pytest.raises(ServeError, match=f"^{re.escape(sentence)}$"):
            parse_gpus(text)


@pytest.mark.parametrize(
    ("text", "visible", "twice"), [("0,1,0", None, "0"), ("1,01", None, "1"), ("2,0", "2,3,2", "2")]
)
def test_gpu_that_is_there_twice_is_refused(text, visible, twice):
    sentence = f"--gpus: {twice} is listed twice; expected each GPU once. Remove one."
    with pytest.raises(ServeError, match=f"^{re.escape(sentence)}$"):
        parse_gpus(text, visible)


@pytest.mark.parametrize(
    ("text", "visible", "sentence"),
    [
        ("2", "4,5", "--gpus: 2 is not among the 2 GPUs that CUDA_VISIBLE_DEVICES='4,5' shows; expected 0 to 1. "
         "Choose others, or unset that variable."),
        (UUID, OTHER, f"--gpus: {UUID} is not among the 1 GPUs that CUDA_VISIBLE_DEVICES='{OTHER}' shows; "
         "expected 0 to 0. Choose others, or unset that variable."),
        ("0", "", "--gpus: 0 is not among the 0 GPUs that CUDA_VISIBLE_DEVICES='' shows; expected it to show some. "
         "Choose others, or unset that variable."),
        ("0", "-1", "--gpus: 0 is not among the 0 GPUs that CUDA_VISIBLE_DEVICES='-1' shows; expected it to show some. "
         "Choose others, or unset that variable."),
    ],
)  # fmt: skip
def test_gpu_that_is_not_visible_is_refused(text, visible, sentence):
    with pytest.raises(ServeError, match=f"^{re.escape(sentence)}$"):
        parse_gpus(text, visible)


def test_numbers_are_those_of_nvidia_smi_unless_somebody_chose_before(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    given = {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "7"}
    assert gpu_environment("1", given) == {
        "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }  # fmt: skip
    assert gpu_environment("1", {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"})["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert gpu_environment("2", {}) == {"CUDA_VISIBLE_DEVICES": "2"}


GPU_OF = """
import os, time
def handler(context, event):
    open("../busy-" + context.worker_id, "w").close()
    while not os.path.exists("../busy-0") or not os.path.exists("../busy-1"):
        time.sleep(0.005)
    return " ".join([os.environ["CUDA_VISIBLE_DEVICES"], context.worker_id, os.environ["MODEL_ENGINE"]])
"""


def write_both(write_function, name: str = "echo"):
    """A directory with both variants, as `preannotate build` writes it."""

    def change(content):
        content["spec"]["env"] = [{"name": "MODEL_ENGINE", "value": "openvino"}]

    directory = write_function(name, GPU_OF, change)
    content = yaml.safe_load((directory / "function.yaml").read_text())
    content["metadata"]["name"] = f"{name}-gpu"
    content["spec"]["env"] = [
        {"name": "MODEL_ENGINE", "value": "tensorflow"},
        {"name": "CUDA_VISIBLE_DEVICES", "value": "9"},
    ]
    content["spec"]["triggers"]["myHttpTrigger"]["numWorkers"] = 5
    (directory / GPU_FILE).write_text(yaml.safe_dump(content))
    return directory


async def test_gpu_variant_is_served_with_one_worker_for_each_gpu(write_function, serving):
    write_both(write_function)
    async with serving(file_name=GPU_FILE, gpus=("3", UUID)) as (_, client):
        listed = (await client.get("/api/functions")).json()
        health = (await client.get("/healthz")).json()
        call = {"headers": {"x-nuclio-function-name": "echo-gpu"}, "content": b""}
        answers = await asyncio.gather(*(client.post("/api/function_invocations", **call) for _ in range(2)))

    assert list(listed) == ["echo-gpu"]
    assert json.loads(listed["echo-gpu"]["metadata"]["annotations"]["spec"])[0]["name"] == "cat"
    assert health["functions"]["echo-gpu"]["workers"] == 2
    # The list of the command line wins over function-gpu.yaml.
    assert sorted(answer.text for answer in answers) == ["3 0 tensorflow", f"{UUID} 1 tensorflow"]


async def test_worker_that_is_replaced_keeps_its_gpu(write_function, serving):
    directory = write_both(write_function)
    (directory / "main.py").write_text(
        "import os\n"
        "def handler(context, event):\n"
        "    if event.body == b'die': os._exit(1)\n"
        "    return os.environ['CUDA_VISIBLE_DEVICES']\n"
    )
    async with serving(file_name=GPU_FILE, gpus=("5",)) as (_, client):
        headers = {"x-nuclio-function-name": "echo-gpu"}
        died = await client.post("/api/function_invocations", headers=headers, content=b"die")
        after = await client.post("/api/function_invocations", headers=headers, content=b"")

    assert (died.status_code, after.text) == (503, "5")


async def test_directory_without_the_gpu_variant_does_not_count(write_function, serving):
    write_both(write_function)
    write_function("other")
    async with serving(file_name=GPU_FILE, gpus=("0",)) as (registry, _):
        assert list(registry.functions) == ["echo-gpu"]
        assert registry.problems == []


async def test_change_of_the_gpu_variant_is_noticed(write_function, serving):
    directory = write_both(write_function)
    async with serving(file_name=GPU_FILE, gpus=("0",)) as (registry, _):
        text = (directory / GPU_FILE).read_text()
        (directory / GPU_FILE).write_text(text.replace("name: echo-gpu", "name: renamed"))
        await registry.scan()
        await registry.scan()
        assert list(registry.functions) == ["renamed"]
        (directory / GPU_FILE).unlink()
        await registry.scan()
        await registry.scan()
        assert registry.functions == {}
    shutil.rmtree(directory)
