"""The folder of a pull: an export that training reads, and what a second pull needs to fetch only what changed.

    DIR/annotations.xml   images/          for training
    DIR/validation/       the same         from ground-truth jobs, if there are any
    DIR/unlabelled/                        images that nobody has annotated, if they were asked for
    DIR/source.json                        where the frames come from, and what was left out
    DIR/.pull/                             annotations of each job as the server gave them

`annotations.xml` and `source.json` are replaced at the end: a pull that is stopped leaves those of the one before,
and a first one leaves none. No login is written anywhere.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from preannotate.core.errors import FileError
from preannotate.core.files import read_json, replacing, write_json
from preannotate.cvat.errors import CvatError
from preannotate.cvat.selection import FrameSelection, FrameSelectionRules, PullPlan, PullScope, SelectedFrame
from preannotate.cvat.server import Json, Server
from preannotate.cvat.tasks import Job, Task, has_boxes
from preannotate.formats.cvat_xml import FILE_NAME
from preannotate.formats.records import Shape

FORMAT = 1
SOURCE = "source.json"
IMAGES, VALIDATION, UNLABELLED = "images", "validation", "unlabelled"
_CACHE = ".pull"
_SERVER = "server.json"


class OtherServerError(CvatError):
    """The folder holds a pull from another server."""


class PullFolder:
    """The folder of a pull, created with the first file that is written.

    Raises:
        CvatError: It is a file, or holds something else.
        OtherServerError: It holds a pull from another server.
    """

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self._url = url
        self._check()

    def part(self, *, validation: bool) -> Path:
        """Return the folder of the export for training, or of that for validation."""
        return self.path / VALIDATION if validation else self.path

    @property
    def unlabelled(self) -> Path:
        """The folder of images that nobody has annotated."""
        return self.path / UNLABELLED

    @property
    def _parts(self) -> tuple[Path, Path, Path]:
        return self.part(validation=False), self.part(validation=True), self.unlabelled

    def annotations(self, job: Job, download: Callable[[], Any]) -> Any:
        """Return the annotations of a job: the kept ones if it did not change since, else those of `download`."""
        name = f"job-{job.id}.json"
        kept = self._read(name)
        if kept is not None and kept.get("updated") == job.updated:
            return kept["annotations"]
        annotations = download()
        self._keep(name, {"updated": job.updated, "annotations": annotations})
        return annotations

    def remove_outdated_images(self, task: Task) -> None:
        """Remove the images of a task whose data was replaced since they were downloaded."""
        name = f"task-{task.id}.json"
        kept = self._read(name)
        if kept is not None and kept.get("data") == task.data:
            return
        for part in self._parts:
            if (images := part / IMAGES / f"task-{task.id}").is_dir():
                (part / FILE_NAME).unlink(missing_ok=True)  # no export without its images
                shutil.rmtree(images)
        self._keep(name, {"data": task.data})

    def write_annotations(self, pieces: Iterable[bytes], *, validation: bool) -> None:
        """Replace an `annotations.xml`."""
        with replacing(self.part(validation=validation) / FILE_NAME) as temporary, temporary.open("wb") as file:
            file.writelines(pieces)

    def remove_other_images(self, images: Collection[Path]) -> None:
        """Remove images that are not among these, and the parts beside training that have none."""
        kept = set(images)
        for part in self._parts:
            for path in sorted((part / IMAGES).rglob("*"), reverse=True):  # what is in a folder before the folder
                if path.is_dir():
                    if not any(path.iterdir()):
                        path.rmdir()
                elif path not in kept:
                    path.unlink()
        for part in (self.part(validation=True), self.unlabelled):
            if part.is_dir() and not any(path.is_relative_to(part) for path in kept):
                shutil.rmtree(part)

    def _check(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise CvatError(f"{self.path}: is a file; expected a folder to write to. Name another.")
        earlier = self._read(_SERVER)
        if earlier is None:
            if self.path.is_dir() and any(self.path.iterdir()):
                raise CvatError(
                    f"{self.path}: is not empty and holds no earlier pull; expected a new folder. Name another."
                )
        elif earlier.get("url") != self._url or earlier.get("format") != FORMAT:
            raise OtherServerError(
                f"{self.path}: holds a pull from {earlier.get('url')}; expected one from {self._url}. "
                f"Name another folder."
            )

    def _read(self, name: str) -> Json | None:
        try:
            content = read_json(self.path / _CACHE / name)
        except FileError:  # damaged: downloaded again
            return None
        return content if isinstance(content, dict) else None

    def _keep(self, name: str, content: Json) -> None:
        if not (self.path / _CACHE / _SERVER).is_file():
            write_json(self.path / _CACHE / _SERVER, {"format": FORMAT, "url": self._url})
        write_json(self.path / _CACHE / name, content)


def describe_pull(
    server: Server,
    scope: PullScope,
    rules: FrameSelectionRules,
    plan: PullPlan,
    selection: FrameSelection,
    notes: Sequence[str],
) -> dict[str, Any]:
    """Return the content of `source.json`: no login, and the same for the same state of the server.

    `notes` are whole sentences to add to those of the plan.
    """
    frames = (*selection.training, *selection.validation)
    selected = Counter(frame.job.id for frame in frames)
    boxes = Counter(shape.label for frame in frames for shape in frame.shapes if _learnt(shape, rules))
    return {
        "format": FORMAT,
        "server": server.url,
        "version": server.version,
        "options": asdict(scope) | asdict(rules),
        "tasks": [
            {"id": task.id, "name": task.name, "video": task.video, "frames": task.size, "updated_date": task.updated}
            for task in plan.tasks
        ],
        "jobs": [
            {
                "id": job.id,
                "task": task.id,
                "type": job.type,
                "state": job.state,
                "stage": job.stage,
                "updated_date": job.updated,
                "taken": selected[job.id],
            }
            for task in plan.tasks
            for job in task.jobs
        ],
        "labels": [
            {"name": label.name, "color": label.color, "type": label.type, "boxes": boxes[label.name]}
            for label in plan.labels
        ],
        "training": _counts(selection.training),
        "validation": _counts(selection.validation),
        "unlabelled": len(selection.unlabelled),
        "left_out": dict(selection.left_out),
        "untouched_shapes": selection.untouched,
        "notes": [
            *notes,
            *plan.notes,
            *(
                f"label {label.name!r} has no box on the selected frames: nothing is learnt for it."
                for label in plan.labels
                if has_boxes(label) and not boxes[label.name]
            ),
        ],
    }


def _learnt(shape: Shape, rules: FrameSelectionRules) -> bool:
    return shape.boxed and (rules.include_auto or not shape.automatic)


def _counts(frames: Sequence[SelectedFrame]) -> dict[str, int]:
    negatives = sum(taken.negative for taken in frames)
    return {"annotated": len(frames) - negatives, "negatives": negatives}
