"""What is behind the pages, in memory: names and signatures as in `preannotate.studio`; nothing takes time.

A test changes what is in it. `problem`, where there is one, is raised by whatever asks CVAT.
"""

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from preannotate.cvat.errors import CvatError
from preannotate.jobs.live_progress import LiveProgress
from preannotate.jobs.queue import Order, Run
from preannotate.notifications import NotifySettings
from preannotate.pipeline.progress import Stage
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import Workspace
from preannotate.studio.arguments import ArgumentField
from preannotate.studio.errors import StudioError
from preannotate.studio.list_rows import LabelSummary, ListPage, ProjectSummary, TaskDetail, TaskSummary
from preannotate.studio.machines import Machine
from preannotate.studio.models import ModelSummary, Parity, VersionSummary
from preannotate.studio.recommendations import DataAssessment, ModelChoice
from preannotate.studio.servers import Profile, SavedServer

TOKEN, PASSWORD = "a-token-of-ann", "correct horse"


def picture(color: tuple[int, int, int] = (70, 110, 160), kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), color).save(stream, kind)
    return stream.getvalue()


def task(number: int, name: str, **changes: Any) -> TaskSummary:
    plain = TaskSummary(number, name, 3, "dock", 400, False, 4, 1, "2026-11-02T10:00:00Z")
    return replace(plain, **changes)


def detail(summary: TaskSummary, *, frames: int = 84, boxes: int = 210, **changes: Any) -> TaskDetail:
    labels = (
        LabelSummary("boat", "#33ddff", "rectangle", boxes, True),
        LabelSummary("buoy", "#ff355e", "any", boxes // 5, True),
        LabelSummary("weather", "#aaaaaa", "tag", 0, False),
    )
    plain = TaskDetail(summary, labels, {"boat": boxes, "buoy": boxes // 5}, frames, 12, 9, {"deleted": 2}, "", 4, 4)
    return replace(plain, **changes)


def version(number: int, map50: float, mean_ap: float, images: dict[str, int], **changes: Any) -> VersionSummary:
    made = f"2026-11-{20 + number}T10:00:00+00:00"
    plain = VersionSummary(number, made, map50, mean_ap, "ssd-mobilenet-v2", images, True, False, True)
    return replace(plain, **changes)


@dataclass
class FakeServers:
    saved: dict[int, SavedServer] = field(default_factory=dict)
    known_profiles: list[Profile] = field(default_factory=list)
    added: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""

    def list(self):
        return sorted(self.saved.values(), key=lambda server: server.name)

    def get(self, server_id):
        if server_id not in self.saved:
            raise StudioError(f"server {server_id}: is not saved; expected one that is. Add it.")
        return self.saved[server_id]

    def add(self, name, url, *, token="", user="", password="", organization=None, insecure=False):
        self.added.append({"token": token, "user": user, "password": password})
        if self.problem:
            raise CvatError(self.problem)
        if token != TOKEN and password != PASSWORD:
            raise CvatError(f"{url}: 401, the login is not accepted; expected one that is. Look at the access token.")
        number = len(self.saved) + 1
        self.saved[number] = SavedServer(number, name or "cvat", url, organization, insecure, user or "ann", "2.80.0")
        return self.saved[number]

    def add_profile(self, profile, name=""):
        number = len(self.saved) + 1
        self.saved[number] = SavedServer(number, name or profile, "https://p", None, False, "ann", "2.80.0", profile)
        return self.saved[number]

    def log_in(self, server_id, *, token="", user="", password=""):
        if token != TOKEN and password != PASSWORD:
            raise CvatError("the login is not accepted; expected one that is. Look at the access token.")
        self.saved[server_id] = replace(self.get(server_id), problem="")
        return self.saved[server_id]

    def remove(self, server_id):
        del self.saved[server_id]

    def profiles(self):
        return self.known_profiles


@dataclass
class FakeCatalogue:
    details: dict[int, TaskDetail] = field(default_factory=dict)
    problem: str = ""
    page_size: int = 20

    def _ask(self):
        if self.problem:
            raise CvatError(self.problem)

    def projects(self, server_id, search="", page=1):
        self._ask()
        return ListPage((ProjectSummary(3, "dock", 2, "2026-11-02T10:00:00Z"),), 1, 1, 1)

    def tasks(self, server_id, *, project=None, search="", page=1):
        self._ask()
        found = [one.summary for one in self.details.values() if search in one.summary.name]
        found = [one for one in found if project is None or one.project_id == project]
        pages = max(-(-len(found) // self.page_size), 1)
        page = min(page, pages)
        return ListPage(tuple(found[(page - 1) * self.page_size : page * self.page_size]), page, pages, len(found))

    def task(self, server_id, task_id):
        self._ask()
        if task_id not in self.details:
            raise CvatError(f"task {task_id}: 404; expected one that is there. Look at its number.")
        return self.details[task_id]

    def together(self, server_id, tasks, projects=()):
        self._ask()
        numbers = tasks or tuple(self.details)
        first = self.task(server_id, numbers[0])
        frames = sum(self.task(server_id, number).annotated_frames for number in numbers)
        return replace(first, annotated_frames=frames)

    def preview(self, server_id, task_id):
        self._ask()
        return picture((task_id * 37 % 256, 110, 160)), "image/png"


@dataclass
class FakeQueue:
    folder: Path
    runs: dict[int, Run] = field(default_factory=dict)
    problem: str = ""

    def add(self, order: Order):
        if self.problem:
            raise StudioError(self.problem)
        number = len(self.runs) + 1
        now = "2026-11-27T11:00:00+00:00"
        folder, model = self.folder / str(number), self.folder.parents[1] / "models" / order.name
        self.runs[number] = Run(number, order.kind, order.name, "waiting", now, "", "", "", order, 0, folder, model)
        return number

    def get(self, run_id):
        if run_id not in self.runs:
            raise StudioError(f"run {run_id}: there is none; expected one of the list.")
        return self.runs[run_id]

    def change(self, run_id, **changes):
        self.runs[run_id] = replace(self.runs[run_id], **changes)

    def stop(self, run_id):
        run = self.get(run_id)
        if run.state not in ("waiting", "running"):
            raise StudioError(f"run {run_id}: is over; expected one that waits or runs.")
        self.change(run_id, **({"state": "stopped"} if run.state == "waiting" else {"stopping": True}))

    def resume(self, run_id):
        if self.get(run_id).state not in ("failed", "stopped"):
            raise StudioError(f"run {run_id}: is neither stopped nor failed; expected one that is.")
        self.change(run_id, state="waiting")

    def delete(self, run_id):
        if self.get(run_id).state in ("waiting", "running"):
            raise StudioError(f"run {run_id}: is not over; expected one that is. Stop it first.")
        del self.runs[run_id]

    def position(self, run_id):
        return sum(run.state == "waiting" and run.id < run_id for run in self.runs.values())

    def list(self, *, model_name=None, limit=200):
        found = [run for run in self.runs.values() if model_name in (None, run.model_name)]
        return sorted(found, key=lambda run: -run.id)[:limit]


@dataclass
class FakeModels:
    folder: Path
    models: dict[str, ModelSummary] = field(default_factory=dict)
    done: list[tuple[Any, ...]] = field(default_factory=list)
    problem: str = ""

    def list(self):
        return list(self.models.values())

    def get(self, name):
        if name not in self.models:
            raise WorkspaceError(f"no model {name!r}; expected one that is there.")
        return self.models[name]

    def _do(self, *what):
        self.get(what[1])
        if self.problem:
            raise WorkspaceError(self.problem)
        self.done.append(what)

    def publish(self, name, version, *, deploy="serve"):
        self._do("publish", name, version, deploy)

    def unpublish(self, name):
        self._do("unpublish", name)

    def roll_back(self, name):
        self._do("roll_back", name)

    def set_threshold(self, name, version, value):
        self._do("threshold", name, version, dict(value))

    def report_file(self, name, version):
        path = self.folder / name / str(version) / "report.html"
        if not path.is_file():
            raise StudioError(f"{name}: version {version} has no report; expected one. Train again.")
        return path

    def overlays(self, name, version):
        return sorted((self.folder / name / str(version) / "overlays").glob("*"))

    def overlay(self, name, version, picture):
        for path in self.overlays(name, version):
            if path.name == picture:
                return path
        raise StudioError(f"{picture!r}: no such picture; expected one of the version's.")

    def put(self, name: str = "boats", **changes: Any) -> ModelSummary:
        """A model with two versions, one of them published, a report and pictures."""
        versions = (
            version(2, 0.934, 0.61, {"train": 71, "validation": 13}),
            version(1, 0.871, 0.55, {"train": 40, "validation": 9}, published=True),
        )  # fmt: skip
        plain = ModelSummary(
            name, versions, 1, None, "serve", ("boat", "buoy"), 0.42, {"boat": 0.42, "buoy": 0.38},
            Parity(True, {"mAP50 of the trained network": "0.934", "mAP50 of the function": "0.934"}), 1,
        )  # fmt: skip
        self.models[name] = replace(plain, **changes)
        for number in (1, 2):
            folder = self.folder / name / str(number)
            (folder / "overlays").mkdir(parents=True)
            (folder / "report.html").write_text(
                '<!doctype html><html lang="en"><title>Report</title><style>body{margin:2rem}</style>'
                "<h1>0.12 of the time</h1><script>document.title='scripted'</script>"
            )
            for place in range(4):
                (folder / "overlays" / f"frame {place}.png").write_bytes(picture((40 * place, 90, 150)))
        return self.models[name]


@dataclass
class FakeSettings:
    simultaneous: int = 1
    link_base: str = ""
    told: NotifySettings = field(default_factory=NotifySettings)

    def set_simultaneous(self, value):
        self.simultaneous = value

    def set_link_base(self, url):
        if url and not url.startswith(("http://", "https://")):
            raise StudioError(f"Address of the studio: {url!r}; expected one that begins with http:// or https://.")
        self.link_base = url

    def notifications(self):
        return self.told

    def set_notifications(self, settings):
        self.told = settings


class FakeStudio:
    """See the module."""

    def __init__(self, path: Path) -> None:
        self.workspace = Workspace(path)
        self.servers = FakeServers()
        self.catalogue = FakeCatalogue()
        self.queue = FakeQueue(path / "studio" / "runs")
        self.models = FakeModels(path / "fake-models")
        self.settings = FakeSettings()
        self.lives: dict[int, LiveProgress] = {}

    def with_server(self, name: str = "dock") -> SavedServer:
        """A saved server with two tasks."""
        number = len(self.servers.saved) + 1
        self.servers.saved[number] = SavedServer(number, name, "https://cvat.example.org", None, False, "ann", "2.80.0")
        for summary in (task(12, "dock camera, May"), task(13, "dock camera, June", video=True, project_id=None)):
            self.catalogue.details[summary.id] = detail(summary)
        return self.servers.saved[number]

    def with_run(self, state: str = "running", **changes: Any) -> Run:
        """A training at its tenth epoch."""
        order = Order(
            name="boats", server_id=1, server_url="https://cvat.example.org", tasks=(12,), model="ssd-mobilenet-v2"
        )
        number = self.queue.add(replace(order, **changes.pop("order", {})))
        began = "2026-11-27T10:50:00+00:00"
        self.queue.change(number, **({"state": state, "began": began} | changes))
        states = ("done", "running", "waiting", "waiting", "waiting", "waiting")
        stages = zip(("pull", "train", "build", "check", "publish", "verify"), states, strict=True)
        self.lives[number] = LiveProgress(
            tuple(Stage(name, one, began if one != "waiting" else "", "", "") for name, one in stages),
            10,
            40,
            640.0,
            tuple({"epoch": n, "loss": 2.0 / n, "map50": 0.08 * n, "mean_ap": 0.05 * n} for n in range(1, 11)),
            "epoch 9: loss 0.222\nepoch 10: loss 0.200 <b>",
            0.3,
        )
        return self.queue.get(number)


def advice(task_detail: TaskDetail) -> DataAssessment:
    boxes = sum(task_detail.boxes.values())
    if not boxes:
        return DataAssessment(
            "none", ("0 boxes on 0 frames: nothing to learn from. Annotate some frames in CVAT first.",)
        )
    if boxes < 50:
        return DataAssessment(
            "few", (f"{boxes} boxes are few: expect a poor model.", "50 boxes of each label are a good start.")
        )
    return DataAssessment(
        "ok", (f"{boxes} boxes on {task_detail.annotated_frames} frames are enough for a useful model.",)
    )


def model_choices(task_detail: TaskDetail, *, base_model: str = "imagenet") -> list[ModelChoice]:
    why = "ssd-mobilenet-v2 is chosen: 84 training images, no GPU."
    return [
        ModelChoice("ssd-mobilenet-v2", "the default: fast on a CPU", "the yardstick", "mAP50 0.97", True, why),
        ModelChoice("frcnn-resnet50", "small objects, a GPU", "inference 8.3 times as long", "not measured", False),
    ]  # fmt: skip


def arguments_form(model: str, images: int, *, base_model: str = "imagenet") -> list[ArgumentField]:
    return [
        ArgumentField("epochs", "whole", "71", (), "passes over the training images", "a whole number from 0 on", True),
        ArgumentField(
            "augment", "choice", "strong", ("strong", "weak", "none"), "how images are changed", "one of", True
        ),
        ArgumentField("jit", "truth", "false", (), "compile the step with XLA", "true or false", False),
    ]


def assemble(values: dict[str, str], text: str, fields: list[ArgumentField]) -> str:
    from trainer.arguments import parse_arguments

    defaults = {one.name: one.default for one in fields}
    said = [f"{name}={value}" for name, value in values.items() if value and value != defaults.get(name)]
    parse_arguments(",".join(said))
    parse_arguments(text)
    return ",".join([*said, *([text] if text else [])])


def machines(settings: Any = None) -> list[Machine]:
    return [Machine("cpu", "This machine: 2 cores", True), Machine("gpu:0", "GPU 0", False, "There is no GPU.")]
