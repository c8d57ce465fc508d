"""Which frames of a task a function may annotate.

People's work is not touched: frames with any annotation are passed over, and so are completed jobs, whose empty frames
somebody left empty, and ground-truth jobs, which measure people.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from preannotate.cvat.tasks import ANNOTATION, Task

COMPLETED_JOBS = "of completed jobs"
ANNOTATED = "that have annotations"


@dataclass(frozen=True)
class UnannotatedFrames:
    """Frames to annotate.

    Attributes:
        frames: Number of a job to its frames, in order; each frame in one job only.
        passed_over: Reason to number of frames.
    """

    frames: Mapping[int, tuple[int, ...]]
    passed_over: Mapping[str, int]


def find_unannotated_frames(
    task: Task, annotated: Mapping[int, Collection[int]], *, annotated_too: bool
) -> UnannotatedFrames:
    """Find them.

    Args:
        task: With its jobs.
        annotated: Number of an annotation job to its frames that have annotations.
        annotated_too: Take these frames as well.
    """
    jobs = [job for job in task.jobs if job.type == ANNOTATION]
    anywhere = {frame for job in jobs for frame in annotated[job.id]}
    seen: set[int] = set()
    passed_over: Counter[str] = Counter()
    frames: dict[int, tuple[int, ...]] = {}
    for job in sorted(jobs, key=lambda job: not job.completed):  # an overlap with a completed job is completed
        mine = [frame for frame in job.frames if frame not in seen]
        seen.update(mine)
        if job.completed:
            passed_over[COMPLETED_JOBS] += len(mine)
            continue
        free = tuple(frame for frame in mine if annotated_too or frame not in anywhere)
        passed_over[ANNOTATED] += len(mine) - len(free)
        if free:
            frames[job.id] = free
    return UnannotatedFrames(frames, {reason: count for reason, count in passed_over.items() if count})
