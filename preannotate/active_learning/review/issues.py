"""Disagreements as issues in CVAT, each once: an issue that was resolved is not created again."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from preannotate.active_learning.review.disagreements import Disagreement
from preannotate.active_learning.review.results import IssueCount
from preannotate.cvat.server import Issue, Server, add_issue, issues_of_job
from runtime.boxes import iou

# Another model, or a box that was moved a little since, is still the same disagreement.
SAME_PLACE_FROM = 0.5


def add_issues(server: Server, jobs: Mapping[int, int], disagreements: Sequence[Disagreement]) -> IssueCount:
    """Create an issue for each disagreement that has none; `jobs` is frame to job ID."""
    of_job: dict[int, list[Disagreement]] = defaultdict(list)
    for one in disagreements:
        of_job[jobs[one.frame]].append(one)
    created = 0
    for job, of_this_job in sorted(of_job.items()):
        existing = issues_of_job(server, job)
        for one in of_this_job:
            issue = Issue(one.frame, one.around, f"{message_start(one.title)} {one.text}")
            if not any(_is_same(issue, other, one.title) for other in existing):
                add_issue(server, job, issue)
                existing.append(issue)
                created += 1
    return {"created": created, "existed": len(disagreements) - created}


def message_start(title: str) -> str:
    """Return the beginning of a message, by which a later command recognises its own issues."""
    return f"Preannotate, {title}:"


def _is_same(issue: Issue, other: Issue, title: str) -> bool:
    if other.frame != issue.frame or not other.message.startswith(message_start(title)):
        return False
    overlap = iou(np.array([issue.position], np.float32), np.array([other.position], np.float32))
    return bool(overlap[0, 0] >= SAME_PLACE_FROM)
