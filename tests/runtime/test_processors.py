"""Threads of a worker: its share of the cores it is allowed."""

import re

import pytest

from runtime import processors
from runtime.errors import EngineError

FUNCTION = "spec: {triggers: {http: {kind: http, %s}}}"


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine with eight cores, no limits and no deployed configuration."""
    monkeypatch.delenv("MODEL_THREADS", raising=False)
    monkeypatch.setattr(processors.os, "sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.setattr(processors, "DEPLOYED", tmp_path / "processor.yaml")
    monkeypatch.setattr(processors, "_CGROUP", tmp_path / "cgroup")
    (tmp_path / "cgroup" / "cpu").mkdir(parents=True)


def test_one_worker_takes_all_cores(tmp_path):
    assert processors.threads(tmp_path) == 8


@pytest.mark.parametrize(("workers", "threads"), [(1, 8), (2, 4), (3, 2), (20, 1)])
def test_workers_share_the_cores(tmp_path, workers, threads):
    (tmp_path / "function.yaml").write_text(FUNCTION % f"numWorkers: {workers}")
    assert processors.threads(tmp_path) == threads


def test_the_old_name_of_the_number_of_workers(tmp_path):
    (tmp_path / "function.yaml").write_text(FUNCTION % "maxWorkers: 2")
    assert processors.workers(tmp_path) == 2


def test_the_configuration_in_force_wins_over_the_file(tmp_path):
    (tmp_path / "function.yaml").write_text(FUNCTION % "numWorkers: 2")
    (tmp_path / "processor.yaml").write_text(FUNCTION % "numWorkers: 4")
    assert processors.threads(tmp_path) == 2


@pytest.mark.parametrize(
    "text", ["", "[]", "spec: 3", "spec: {triggers: {cron: {kind: cron}}}", "a: [", "spec: {triggers: 1}"]
)
def test_a_file_without_workers_counts_as_one(tmp_path, text):
    (tmp_path / "function.yaml").write_text(text)
    assert processors.workers(tmp_path) == 1


@pytest.mark.parametrize(
    ("limit", "cores"), [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("?", 8)]
)
def test_a_container_with_a_limit(tmp_path, limit, cores):
    (tmp_path / "cgroup" / "cpu.max").write_text(limit + "\n")
    assert processors.cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("300000", 3)])
def test_a_container_with_a_limit_of_the_older_kind(tmp_path, quota, cores):
    (tmp_path / "cgroup" / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cgroup" / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert processors.cores() == cores


def test_the_environment_wins_over_everything(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_THREADS", "3")
    assert processors.threads(tmp_path) == 3


@pytest.mark.parametrize("text", ["0", "two", "-1", "1.5", "\u0663"])
def test_threads_that_are_none(tmp_path, monkeypatch, text):
    monkeypatch.setenv("MODEL_THREADS", text)
    sentence = f"MODEL_THREADS: {text!r}; expected a whole number from 1 on, or nothing."
    with pytest.raises(EngineError, match=f"^{re.escape(sentence)}$"):
        processors.threads(tmp_path)
