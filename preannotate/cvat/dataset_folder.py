"""The folder of a pull: an export that training reads, and what a second pull needs to fetch only what changed.

    DIR/annotations.xml   images/          for training
    DIR/validation/       the same         from ground-truth jobs, if there are any
    DIR/source.json                        what was taken from where, and what not
    DIR/.pull/                             annotations of each job as the server gave them

`annotations.xml` and `source.json` are replaced at the end: a pull that is stopped leaves those of the one before,
and a first one leaves none. No login is written anywhere.
"""

import json
import shutil
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from preannotate.core.files import replacing
from preannotate.cvat.errors import CvatError
from preannotate.cvat.tasks import Job, Task
from preannotate.formats.cvat_xml import FILE_NAME

FORMAT = 1
SOURCE = "source.json"
IMAGES, VALIDATION = "images", "validation"
_MEMORY = ".pull"
_SERVER = "server.json"


class OtherServerError(CvatError):
    """The folder holds a pull from another server."""


class PullFolder:
    """See the module.

    Attributes:
        path: Of the folder; made with the first thing that is kept.
    """

    def __init__(self, path: Path, url: str) -> None:
        """Look at the folder.

        Raises:
            CvatError: It holds something else.
        """
        self.path = path
        self._url = url
        self._check()

    def part(self, *, validation: bool) -> Path:
        """The folder of an export: that for training, or that for validation."""
        return self.path / VALIDATION if validation else self.path

    def annotations(self, job: Job, ask: Callable[[], Any]) -> Any:
        """Annotations of a job: those kept if it did not change since, else what `ask` gives, which is kept."""
        kept = self._read(f"job-{job.id}.json")
        if kept is not None and kept.get("updated") == job.updated:
            return kept["annotations"]
        annotations = ask()
        self._keep(f"job-{job.id}.json", {"updated": job.updated, "annotations": annotations})
        return annotations

    def look_at_images(self, task: Task) -> None:
        """Remove the images of a task if other ones stand behind the same frames since."""
        name = f"task-{task.id}.json"
        kept = self._read(name)
        if kept is not None and kept.get("data") == task.data:
            return
        for part in (self.part(validation=False), self.part(validation=True)):
            if (images := part / IMAGES / f"task-{task.id}").is_dir():
                (part / FILE_NAME).unlink(missing_ok=True)  # an export without its images is none
                shutil.rmtree(images)
        self._keep(name, {"data": task.data})

    def write_annotations(self, pieces: Iterable[bytes], *, validation: bool) -> None:
        """Replace an `annotations.xml`."""
        part = self.part(validation=validation)
        part.mkdir(parents=True, exist_ok=True)
        with replacing(part / FILE_NAME) as temporary, temporary.open("wb") as file:
            file.writelines(pieces)

    def write_source(self, content: Any) -> None:
        """Replace `source.json`."""
        with replacing(self.path / SOURCE) as temporary:
            temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def tidy(self, images: Collection[Path]) -> None:
        """Remove images that are not among these, and the validation part if it has none."""
        kept = set(images)
        for part in (self.part(validation=False), self.part(validation=True)):
            for path in sorted((part / IMAGES).rglob("*"), reverse=True):  # what is in a folder before the folder
                if path.is_dir():
                    if not any(path.iterdir()):
                        path.rmdir()
                elif path not in kept:
                    path.unlink()
        validation = self.part(validation=True)
        if validation.is_dir() and not any(path.is_relative_to(validation) for path in kept):
            shutil.rmtree(validation)

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

    def _read(self, name: str) -> Any:
        try:
            content = json.loads((self.path / _MEMORY / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # absent, or damaged: asked for again
            return None
        return content if isinstance(content, dict) else None

    def _keep(self, name: str, content: Any) -> None:
        memory = self.path / _MEMORY
        memory.mkdir(parents=True, exist_ok=True)
        if not (memory / _SERVER).is_file():
            with replacing(memory / _SERVER) as temporary:
                temporary.write_text(json.dumps({"format": FORMAT, "url": self._url}), encoding="utf-8")
        with replacing(memory / name) as temporary:
            temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
