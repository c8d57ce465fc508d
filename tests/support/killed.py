"""A piece of work in a child process that is killed at its n-th step, as `kill -9` would: nothing is cleaned up."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator

KILLED = 9
# What changes files, or comes directly before or after it; `renameat2` has no event of its own.
_STEPS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "ctypes.dlsym")


def killed_at_each_step(work: Callable[[], object]) -> Iterator[int]:
    """Do the work again and again in child processes, each killed one step later; ends with one that is not killed.

    Yields:
        The number of the step, after the child was killed there; the caller puts everything back.
    """
    step = 0
    while in_child(work, kill_at=step):
        yield step
        step += 1
    assert step > 10, "hardly any step was seen"


def in_child(work: Callable[[], object], *, kill_at: int | None = None) -> bool:
    """Do the work in a forked child; return whether it was killed. Any other failure is an error here."""
    pid = start_child(work, kill_at=kill_at)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, KILLED), f"the child ended with {code}"
    return code == KILLED


def start_child(work: Callable[[], object], *, kill_at: int | None = None) -> int:
    """As `in_child`, without waiting; return its process number."""
    if pid := os.fork():
        return pid
    try:
        if kill_at is not None:
            sys.addaudithook(_killer(kill_at))
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _killer(kill_at: int) -> Callable[[str, tuple[object, ...]], None]:
    steps = iter(range(kill_at))

    def hook(event: str, _: tuple[object, ...]) -> None:
        if event in _STEPS and next(steps, None) is None:
            os._exit(KILLED)

    return hook
