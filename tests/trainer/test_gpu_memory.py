import re
import subprocess
import sys

import pytest

from preannotate.core.child_process import Result
from trainer import gpu_memory
from trainer.errors import TrainingError
from trainer.gpu_memory import Gpu, check, parse, visible

LISTING = "0, GPU-aa, Tesla T4, 15360\n1, GPU-bb, NVIDIA RTX A2000, 6138\n"


def test_a_single_small_gpu_is_refused_with_the_ways_out():
    sentence = (
        "--model frcnn-nas: one GPU (RTX 2060) with 6.2 GB; expected at least 12 GB, or two or more GPUs "
        "(num_clones=2). Use frcnn-resnet50, or try it with --set ignore_memory=true and a small batch_size."
    )

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        check("frcnn-nas", 12, [Gpu("RTX 2060", 6.2)])


@pytest.mark.parametrize(
    "gpus",
    [[Gpu("A100", 42.9)], [Gpu("exactly", 12.0)], [Gpu("T4", 8.0), Gpu("T4", 8.0)], []],
    ids=["large", "just enough", "two small ones", "none: the CPU's memory counts"],
)
def test_others_may_try(gpus):
    check("frcnn-nas", 12, gpus)


def test_the_drivers_listing_is_read():
    assert parse(LISTING, None) == [Gpu("Tesla T4", 15360 * 2**20 / 1e9), Gpu("NVIDIA RTX A2000", 6138 * 2**20 / 1e9)]
    assert parse("No devices were found\n", None) == []
    assert parse("0, GPU-aa, GB10, [N/A]\n", None) == []


@pytest.mark.parametrize(
    ("chosen", "names"), [("1", ["NVIDIA RTX A2000"]), ("GPU-aa", ["Tesla T4"]), ("", []), ("-1", [])]
)
def test_only_the_chosen_gpus_count(chosen, names):
    assert [gpu.name for gpu in parse(LISTING, chosen)] == names


def test_a_driver_that_does_not_answer_hides_the_gpus(monkeypatch):
    def hang(*_, **__):
        return Result(None, not_run="no answer within 20 s")

    monkeypatch.setattr(gpu_memory.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(gpu_memory, "run_tool", hang)

    assert visible() == []


def test_training_asks_before_it_reads_anything(monkeypatch, tmp_path):
    from trainer import train
    from trainer.request import TrainingRequest

    monkeypatch.setattr(gpu_memory, "visible", lambda: [Gpu("small", 4.0), Gpu("idle", 4.0)])  # num_clones is 1
    request = TrainingRequest(exports=(tmp_path / "missing.zip",), output=tmp_path / "run", model="frcnn-nas")

    with pytest.raises(TrainingError, match=r"^--model frcnn-nas: one GPU \(small\) with 4\.0 GB; expected at least "):
        train.start(request)
    assert not (tmp_path / "run").exists()


def test_asking_needs_no_tensorflow():
    code = "import sys, trainer.gpu_memory; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
