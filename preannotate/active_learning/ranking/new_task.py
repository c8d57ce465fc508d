"""A task of the frames that are worth annotating next, made once.

`created.json` in the output folder says which task was made under which name: a repeat prints its link. It is written
before the images go up, so that a task left half-made by a crash is deleted by the next command.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preannotate.core.files import replacing
from preannotate.cvat.errors import CvatError
from preannotate.cvat.image_file_names import Names
from preannotate.cvat.images import WantedImage, download, present
from preannotate.cvat.new_task import create_task, delete_task, task_is_there
from preannotate.cvat.server import Server
from preannotate.cvat.tasks import Task

FILE = "created.json"
_DONE, _UPLOADING = "done", "uploading"


def make_task(server: Server, task: Task, content: Mapping[str, Any], name: str, output: Path) -> tuple[int, bool]:
    """Make a task of the ranked frames, in their order.

    Args:
        server: Where the frames are.
        task: Whose frames they are.
        content: Of `ranking.json`.
        name: Of the new task.
        output: Folder that remembers it.

    Returns:
        Its number, and whether it was there already.

    Raises:
        CvatError: Nothing to make it of, or the server refuses; then there is no new task.
    """
    made = _read(output)
    key = json.dumps([server.url, task.id, name])
    before = made.get(key)
    if before is not None:
        if before["state"] == _DONE and task_is_there(server, before["task"]):
            return before["task"], True
        if before["state"] != _DONE:
            delete_task(server, before["task"])
    if not content["frames"]:
        raise CvatError(f"task {task.id}: no frame to make a task of; expected frames without annotations.")

    def remember(number: int, state: str) -> None:
        frames = [{"frame": one["frame"], "job": one["job"], "image": one["image"]} for one in content["frames"]]
        made[key] = {"server": server.url, "from_task": task.id, "name": name, "task": number, "state": state}
        made[key]["frames"] = frames
        output.mkdir(parents=True, exist_ok=True)
        with replacing(output / FILE) as temporary:
            temporary.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    with tempfile.TemporaryDirectory(prefix="preannotate-") as folder:
        # The place in front keeps names apart and, sorted, in order.
        digits, names = len(str(len(content["frames"]))), Names(task)
        wanted = [
            WantedImage(task.id, one["frame"], Path(folder) / f"{one['rank']:0{digits}d}-{_last(names, one['frame'])}")
            for one in content["frames"]
        ]
        download(server, wanted, lambda: None)
        images = [path for image in wanted if (path := present(image)) is not None]
        number = create_task(
            server,
            name,
            project=server.task(task.id).get("project_id"),
            labels=server.labels_of_task(task.id),
            images=images,
            begun=lambda number: remember(number, _UPLOADING),
        )
    remember(number, _DONE)
    return number, False


def _last(names: Names, frame: int) -> str:
    return names.of(frame).rsplit("/", 1)[-1]


def _read(output: Path) -> dict[str, Any]:
    try:
        made = json.loads((output / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise CvatError(
            f"{output / FILE}: holds no JSON ({error}); expected what earlier commands wrote. Remove the file; tasks "
            f"that were made stay in CVAT."
        ) from error
    return made
