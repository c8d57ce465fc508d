"""Studios for tests: on files alone (`Example`), or whole on loopback with a run process that learns nothing.

Both are the real services on a temporary workspace, in front of the stand-in of CVAT.
"""

import contextlib
import functools
import io
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from preannotate.core.files import write_json
from preannotate.core.progress import ProgressWriter, State
from preannotate.jobs.processes import this_process
from preannotate.jobs.queue import Run, RunSource
from preannotate.jobs.task_request import RunKind, TaskRequest
from preannotate.pipeline.run_request import RunRequest
from preannotate.registry import publication
from preannotate.registry.workspace import ModelFolder, Workspace
from preannotate.studio.servers import SavedServer
from preannotate.studio.services import Services
from preannotate.studio.web.app import AccessPolicy, make_app
from preannotate.synthetic.image import draw_image
from preannotate.synthetic.objects import LABELS
from support import cvat_stand_in as stand_in
from support import cvat_stand_in_lists as lists
from support.studio_run import write_epochs, write_version

RUN_PROCESS = (sys.executable, str(Path(__file__).with_name("studio_run.py")))
ACCESS = AccessPolicy(("127.0.0.1", "localhost", "::1"), numbers=False, token="", key=b"k" * 32, live_seconds=0.3)
COLOURS = ("#33ddff", "#ff8a3d", "#7ee787", "#d2a8ff")
STAGES = ("pull", "train", "build", "check", "publish", "verify")


@dataclass
class Example:
    """A studio with what a test puts into it; no run gets a process.

    Attributes:
        services: Of the studio.
        cvat: Has the tasks 12 and 13 of the project 3.
    """

    services: Services
    cvat: stand_in.StandIn

    def with_server(self, name: str = "dock") -> SavedServer:
        """A saved server."""
        return self.services.servers.add(name, self.cvat.url, token=stand_in.TOKEN)

    def with_model(self, name: str = "boats", *, deploy: str = "serve") -> ModelFolder:
        """A model with the finished versions 1, which is published, and 2."""
        model = self.services.workspace.model(name)
        for number in (1, 2):
            write_version(model, number, labels=("boat", "buoy"), pictures=_pictures())
        publication.publish(self.services.workspace, name, 1)
        if deploy != "serve":
            write_json(model.publications, [{"version": 1, "at": "2026-11-27T10:00:00+00:00", "deploy": deploy}])
        return model

    def with_run(self, state: str = "running", *, error: str = "", kind: str = "train", **fields: Any) -> Run:
        """A run in a state; a training that runs is at epoch 10 of 40."""
        access = vars(self.services.servers.access(1))
        if kind == RunKind.TRAIN:
            request = RunRequest(**(access | {"name": "boats", "tasks": (12,)} | fields))
        else:
            request = TaskRequest(**(access | {"kind": RunKind(kind), "name": "boats", "task": 12} | fields))
        number = self.services.queue.add(request, source=RunSource.STUDIO, server_id=1)
        return self.change_run(number, state, error)

    def change_run(self, number: int, state: str, error: str = "") -> Run:
        """Put a run into another state, as its supervisor would."""
        queue = self.services.queue
        if state == State.WAITING:
            return queue.get(number)
        self.services._database.change("UPDATE runs SET state = 'running', started = created WHERE id = ?", (number,))
        queue.set_process(number, this_process())
        if state == State.RUNNING:
            self._train(queue.get(number))
        else:
            queue.end(number, State(state), error)
        return queue.get(number)

    def _train(self, run: Run) -> None:
        run.folder.mkdir(parents=True)
        (run.folder / "log.txt").write_text("epoch 9: loss 0.222\nepoch 10: loss 0.200 <b>\n")
        model = self.services.workspace.model(run.model_name)
        write_epochs(model.version(3).run, range(1, 11), 40)
        progress = ProgressWriter(run.folder / "progress.json", STAGES)
        progress.set_version(3)
        with progress.running("pull"):
            pass
        progress.update("train", state=State.RUNNING, done=10, total=40, unit="epoch", seconds_left=640.0)
        progress.write()


@contextlib.contextmanager
def example(path: Path) -> Iterator[Example]:
    """An `Example` in a new folder."""
    with stand_in.StandIn().running() as server:
        pages = lists.Lists(server)
        server.pages.append(pages)
        server.projects.append(3)
        pages.names[3] = "dock"
        server.add(plain_task(12, "dock camera, May", project_id=3))
        server.add(plain_task(13, "dock camera, June", video=True))
        services = Services(Workspace(path))
        try:
            yield Example(services, server)
        finally:
            services.close()


def plain_task(number: int, name: str, *, boats: int = 5, annotated: int = 24, **changes: Any) -> stand_in.FakeTask:
    """A task of 30 grey frames, of which the first have boats and a buoy each."""
    labels = [
        stand_in.FakeLabel(1, "boat", "rectangle", "#33ddff"),
        stand_in.FakeLabel(2, "buoy", "any", "#ff355e"),
        stand_in.FakeLabel(3, "weather", "tag", "#aaaaaa"),
    ]
    boxes = [(frame, place) for frame in range(annotated) for place in range(boats + 1)] if boats else []
    shapes = [
        stand_in.rectangle(frame, 1 if place else 2, [8.0 * place, 8, 8.0 * place + 20, 30], id=frame * 10 + place + 1)
        for frame, place in boxes
    ]
    jobs = [
        stand_in.FakeJob(number * 10, 0, 19, shapes=[one for one in shapes if one["frame"] < 20]),
        stand_in.FakeJob(number * 10 + 1, 20, 29, shapes=[one for one in shapes if one["frame"] >= 20]),
    ]
    images = [(f"{frame:03d}.png", _grey()) for frame in range(30)]
    return stand_in.FakeTask(number, images, labels, jobs, name=name, **changes)


@functools.cache
def _grey() -> bytes:
    return stand_in.picture(1)


@functools.cache
def _pictures() -> tuple[bytes, ...]:
    return tuple(stand_in.picture(seed, kind="JPEG") for seed in range(4))


@functools.cache
def photo(seed: int, size: tuple[int, int]) -> tuple[bytes, list[tuple[list[float], int]]]:
    """A synthetic image as JPEG, and its boxes with their classes."""
    scene = draw_image(seed, size)
    stream = io.BytesIO()
    scene.image.save(stream, "JPEG", quality=88)
    return stream.getvalue(), list(zip(scene.boxes.tolist(), scene.class_ids.tolist(), strict=True))


def scene_task(
    number: int, name: str, seed: int, *, frames: int = 26, annotated: int = 22, **changes: Any
) -> stand_in.FakeTask:
    """A task of synthetic images, the first of which are annotated."""
    images, shapes = [], []
    labels = [stand_in.FakeLabel(place + 1, label, "rectangle", COLOURS[place]) for place, label in enumerate(LABELS)]
    for frame in range(frames):
        content, boxes = photo(seed + frame, (240, 180))
        images.append((f"photo_{frame:03d}.jpg", content))
        if frame < annotated:
            for box, class_id in boxes:
                shapes.append(stand_in.rectangle(frame, class_id + 1, box, id=len(shapes) + 1))
    jobs = [stand_in.FakeJob(number * 10, 0, frames - 1, shapes=shapes)]
    return stand_in.FakeTask(number, images, labels, jobs, name=name, **changes)


@contextlib.contextmanager
def cvat(version: str = stand_in.NEW) -> Iterator[stand_in.StandIn]:
    """A server with three tasks of synthetic images, one of which has no boxes yet."""
    with stand_in.StandIn(version).running() as server:
        pages = lists.Lists(server)
        server.pages.append(pages)
        server.projects.append(3)
        pages.names[3] = "Workshop"
        server.add(scene_task(12, "Workbench, first camera", 100, project_id=3))
        server.add(scene_task(13, "Workbench, second camera", 200, project_id=3, annotated=14))
        server.add(scene_task(14, "Drawer, not annotated yet", 300, annotated=0))
        yield server


@contextlib.contextmanager
def studio(path: Path, *, port: int = 0, access: AccessPolicy = ACCESS) -> Iterator[tuple[Services, str]]:
    """A studio at work on loopback, and its address."""
    services = Services(Workspace(path), command=RUN_PROCESS)
    config = uvicorn.Config(
        make_app(services, access), port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        services.start()
        yield services, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        services.close()


def add_training(services: Services, server: SavedServer, **changes: Any) -> int:
    """Queue a training on the first task of `cvat`; returns the id of the run."""
    fields = vars(services.servers.access(server.id)) | {"name": "workbench", "tasks": (12,)}
    return services.queue.add(RunRequest(**(fields | changes)), source=RunSource.STUDIO, server_id=server.id)


def finished(services: Services, run_id: int, seconds: float = 60) -> Run:
    """Wait until a run is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (run := services.queue.get(run_id)).state.is_over:
            return run
        time.sleep(0.05)
    raise AssertionError(f"run {run_id} is not over after {seconds} s")
