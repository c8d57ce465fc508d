"""Disagreements as issues in CVAT, each once, whatever happened to it since: resolved is answered."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from preannotate.active_learning.review.disagreements import TITLES, Disagreement
from preannotate.cvat.issues import Issue, add_issue, issues_of_job
from preannotate.cvat.server import Server
from runtime.boxes import iou

# Another model, or a box that was moved a little since, does not make it another disagreement.
SAME_PLACE_FROM = 0.5


def add_issues(server: Server, jobs: Mapping[int, int], disagreements: Sequence[Disagreement]) -> tuple[int, int]:
    """Make an issue of each disagreement that has none.

    Args:
        server: Where the jobs are.
        jobs: Frame to job.
        disagreements: To tell about.

    Returns:
        How many were made, and how many were there.
    """
    of_job: dict[int, list[Disagreement]] = defaultdict(list)
    for one in disagreements:
        of_job[jobs[one.frame]].append(one)
    made = 0
    for job, mine in sorted(of_job.items()):
        there = issues_of_job(server, job)
        for one in mine:
            issue = Issue(one.frame, one.around, f"{message_start(one.kind)} {one.text}")
            if not any(_same(issue, other, one.kind) for other in there):
                add_issue(server, job, issue)
                there.append(issue)
                made += 1
    return made, len(disagreements) - made


def message_start(kind: str) -> str:
    """Of the message, by which a later command knows its own."""
    return f"Preannotate, {TITLES[kind]}:"


def _same(issue: Issue, other: Issue, kind: str) -> bool:
    if other.frame != issue.frame or not other.message.startswith(message_start(kind)):
        return False
    overlap = iou(np.array([issue.position], np.float32), np.array([other.position], np.float32))
    return bool(overlap[0, 0] >= SAME_PLACE_FROM)
