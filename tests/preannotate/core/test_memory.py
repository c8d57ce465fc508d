import pytest

from preannotate.core import memory

GIB = 1024**3


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Stands for /proc and /sys/fs/cgroup; 8 GiB are free."""
    for name in ("proc", "cgroup"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(memory, name.upper(), tmp_path / name)
    (tmp_path / "proc" / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable:   {8 * 1024**2} kB\n")
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "used", "free"),
    [(3 * GIB, 2 * GIB, GIB), (20 * GIB, GIB, 8 * GIB), (GIB, 2 * GIB, 0), ("max", 1, 8 * GIB)],
)
def test_the_limit_of_a_container_counts(kernel, limit, used, free):
    (kernel / "cgroup" / "memory.max").write_text(f"{limit}\n")
    (kernel / "cgroup" / "memory.current").write_text(f"{used}\n")

    assert memory.free_memory() == free


def test_without_control_groups(kernel):
    assert memory.free_memory() == 8 * GIB


def test_a_system_that_says_nothing(kernel):
    (kernel / "proc" / "meminfo").unlink()

    assert memory.free_memory() is None
