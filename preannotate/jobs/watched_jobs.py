"""Which jobs are watched: those that the model is made from."""

import json
from dataclasses import dataclass
from typing import Any

from preannotate.jobs.errors import WatchError
from preannotate.jobs.watch_state import CompletedJobs
from preannotate.pipeline import run_request as asking
from preannotate.registry.workspace import ModelFolder

# As in `cvat.tasks`, which needs cvat-sdk.
ANNOTATION, GROUND_TRUTH, COMPLETED = "annotation", "ground_truth", "completed"


@dataclass(frozen=True)
class WatchedJobs:
    """Numbers of tasks, projects and jobs, as `run` was asked."""

    tasks: frozenset[int]
    projects: frozenset[int]
    jobs: frozenset[int]

    def has(self, *, job: object, task: object, project: object) -> bool:
        """Whether a job is one of them."""
        return job in self.jobs or task in self.tasks or project in self.projects


def read_asked(model: ModelFolder) -> tuple[WatchedJobs, dict[str, Any]]:
    """What to watch, and the login without its secret, as in `cvat.login.Login`.

    Raises:
        WatchError: There was no run.
        WorkspaceError: `asked.json` is damaged.
    """
    asked = asking.read(model.asked)
    if asked is None or not asked.names_frames:
        raise WatchError(
            f"{model.path}: no run was asked for; expected one to repeat. "
            f"Run once: preannotate run --cvat URL --task ID."
        )
    return WatchedJobs(frozenset(asked.tasks), frozenset(asked.projects), frozenset(asked.jobs)), asked.login


def finished_version(model: ModelFolder) -> int:
    """Number of the highest finished version; 0 if there is none."""
    return max((version.number for version in model.versions() if version.complete), default=0)


def pulled_jobs(model: ModelFolder) -> CompletedJobs | None:
    """The completed jobs of the latest pull; None if there is none that can be read."""
    try:
        source = json.loads((model.dataset / "source.json").read_text(encoding="utf-8"))
        return {job["id"]: job["updated_date"] for job in source["jobs"] if _counts(job)}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _counts(job: dict[str, Any]) -> bool:
    return job["state"] == COMPLETED and job["type"] in (ANNOTATION, GROUND_TRUTH)
