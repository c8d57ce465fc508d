"""A CVAT task of the ranked frames, created once.

`created.json` in the output folder keeps which task was created under which name: a repeated command prints its link.
It is written before the images are uploaded, so that the next command deletes a task that was left incomplete.
"""

import json
from pathlib import Path
from typing import Any

from preannotate.active_learning.ranking.results import Ranking
from preannotate.core.drafts import working_directory
from preannotate.core.files import read_json, write_json
from preannotate.cvat.errors import CvatError
from preannotate.cvat.images import WantedImage, download_images, find_downloaded, image_file_names
from preannotate.cvat.new_task import create_task, delete_task, task_exists
from preannotate.cvat.server import Server
from preannotate.cvat.tasks import Task

FILE = "created.json"


def create_ranked_task(server: Server, task: Task, ranking: Ranking, name: str, output: Path) -> tuple[int, bool]:
    """Create a task of the ranked frames, in their order; `output` is the folder that keeps `created.json`.

    Returns:
        The ID of the new task, and whether it existed already.

    Raises:
        CvatError: There is no frame, or CVAT rejects it; then there is no new task.
        FileError: `created.json` cannot be read.
    """
    created: dict[str, Any] = read_json(output / FILE) or {}
    key = json.dumps([server.url, task.id, name])
    if (earlier := created.get(key)) is not None:
        if not earlier["complete"]:
            delete_task(server, earlier["task"])
        elif task_exists(server, earlier["task"]):
            return earlier["task"], True
    if not ranking["frames"]:
        raise CvatError(
            f"task {task.id}: no frame for a new task; expected frames without annotations. Nothing was created."
        )

    def record(number: int, *, complete: bool) -> None:
        frames = [{"frame": one["frame"], "job": one["job"], "image": one["image"]} for one in ranking["frames"]]
        created[key] = {
            "server": server.url, "from_task": task.id, "name": name, "task": number, "complete": complete,
            "frames": frames,
        }  # fmt: skip
        write_json(output / FILE, created)

    with working_directory() as folder:
        # The rank in front keeps names distinct and, sorted, in order.
        digits, names = len(str(len(ranking["frames"]))), [Path(name).name for name in image_file_names(task)]
        wanted = [
            WantedImage(task.id, one["frame"], Path(folder) / f"{one['rank']:0{digits}d}-{names[one['frame']]}")
            for one in ranking["frames"]
        ]
        download_images(server, wanted, lambda: None)
        images = [path for image in wanted if (path := find_downloaded(image)) is not None]
        number = create_task(
            server,
            name,
            project=server.task(task.id).get("project_id"),
            labels=server.labels_of_task(task.id),
            images=images,
            begun=lambda number: record(number, complete=False),
        )
    record(number, complete=True)
    return number, False
