"""A whole studio on loopback: the real core, a stand-in of CVAT with drawn scenes, an actor in place of trainings."""

import contextlib
import functools
import io
import sys
import threading
import time
from pathlib import Path

import uvicorn
from support import cvat_stand_in as stand_in
from support import cvat_stand_in_lists as lists

from preannotate.jobs.queue import Order
from preannotate.registry.workspace import Workspace
from preannotate.studio.services import Services
from preannotate.studio.web.app import AccessPolicy, make_app
from preannotate.synthetic.objects import LABELS
from preannotate.synthetic.scene import draw

HERE = Path(__file__).parent
ACTOR = (sys.executable, str(HERE / "actor.py"))
ACCESS = AccessPolicy(("127.0.0.1", "localhost"), numbers=False, token="", key=b"k" * 32, live_seconds=0.3)
COLOURS = ("#33ddff", "#ff8a3d", "#7ee787", "#d2a8ff")


@functools.cache
def photo(seed, size):
    """A drawn scene as JPEG, and its boxes with their classes."""
    scene = draw(seed, size)
    stream = io.BytesIO()
    scene.image.save(stream, "JPEG", quality=88)
    return stream.getvalue(), list(zip(scene.boxes.tolist(), scene.class_ids.tolist(), strict=True))


def task(number, name, seed, *, frames=26, annotated=22, size=(240, 180), **changes):
    """A task of drawn scenes, the first of which are annotated."""
    images, shapes = [], []
    labels = [stand_in.FakeLabel(place + 1, label, "rectangle", COLOURS[place]) for place, label in enumerate(LABELS)]
    for frame in range(frames):
        content, boxes = photo(seed + frame, size)
        images.append((f"photo_{frame:03d}.jpg", content))
        if frame < annotated:
            for box, class_id in boxes:
                shapes.append(stand_in.rectangle(frame, class_id + 1, box, id=len(shapes) + 1))
    jobs = [stand_in.FakeJob(number * 10, 0, frames - 1, shapes=shapes)]
    return stand_in.FakeTask(number, images, labels, jobs, name=name, **changes)


@contextlib.contextmanager
def cvat(version=stand_in.NEW):
    """A server with three tasks, one of which has no boxes yet."""
    with stand_in.StandIn(version).running() as server:
        pages = lists.Lists(server)
        server.pages.append(pages)
        server.projects.append(3)
        pages.names[3] = "Workshop"
        server.add(task(12, "Workbench, first camera", 100, project_id=3))
        server.add(task(13, "Workbench, second camera", 200, project_id=3, annotated=14))
        server.add(task(14, "Drawer, not annotated yet", 300, annotated=0))
        yield server


@contextlib.contextmanager
def studio(path, access=None, command=ACTOR, port=0):
    """A studio at work; gives (studio, its address)."""
    opened = Services(Workspace(path), command=command)
    app = make_app(opened, access or ACCESS)
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        opened.start()
        yield opened, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        opened.close()


def order(server, **changes):
    """A training on the first task."""
    plain = {"name": "workbench", "server_id": server.id, "tasks": (12,), "model": "ssd-mobilenet-v2"}
    return Order(**(plain | changes))


def finished(opened, run_id, seconds=60):
    """Wait until a run is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (run := opened.queue.get(run_id)).state not in ("waiting", "running"):
            return run
        time.sleep(0.05)
    raise AssertionError(f"run {run_id} is not over after {seconds} s")
