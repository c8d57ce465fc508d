"""How much memory is free."""

import re
from pathlib import Path

PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Return the bytes that may still be used, within the limit of the container; None where nobody says."""
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", (PROC / "meminfo").read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, ValueError):
        return None
    if found is None:
        return None
    available = int(found[1]) * 1024
    try:
        limit, used = (int((CGROUP / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
    except (OSError, ValueError):  # no limit, or the older kind of control groups
        return available
    return max(0, min(available, limit - used))
