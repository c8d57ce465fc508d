"""A new annotation model, the last step: name, machine, arguments, what happens after training."""

import itertools
from dataclasses import replace
from pathlib import Path

from starlette.responses import Response

from preannotate.core.errors import PreannotateError
from preannotate.jobs.queue import RunSource
from preannotate.pipeline.errors import RunRequestError
from preannotate.pipeline.run_request import RunRequest, check_model_name, slug
from preannotate.registry.publication import Deploy
from preannotate.registry.workspace import VersionFolder
from preannotate.studio.arguments import ArgumentField, assemble_arguments
from preannotate.studio.arguments import argument_fields as argument_fields
from preannotate.studio.catalogue import TaskDetail
from preannotate.studio.errors import PageError
from preannotate.studio.families import families
from preannotate.studio.machines import CPU, KUBERNETES, Machine, machines
from preannotate.studio.recommendations import Sufficiency, assess_annotations
from preannotate.studio.servers import SavedServer
from preannotate.studio.web.page_request import Form, PageRequest, go_to
from preannotate.studio.web.pages.wizard import (
    FILE,
    IMAGENET,
    NONE,
    VERSION,
    WizardState,
    saved_server,
    selected_annotations,
)
from trainer.errors import TrainerError

NAMES = ("name", "machine", "arguments", "deploy")
BOXES = ("annotate_rest", "notify", "completed_jobs", "include_auto", "accept_completed", "only_if_better")
# Labels of the fields, for sentences that name the flag of the command line.
LABELS = {"name": "Name", "model": "Model", "base_model": "Initial weights", "tasks": "Tasks", "projects": "Projects"}
# Before the names of arguments, so that none is taken for a field of the form itself.
PREFIX = "a-"


def show(request: PageRequest) -> Response:
    """The form, filled in."""
    state = WizardState.read(request)
    step = _Step(request, state)
    form = Form.initial(
        name=state.name or suggested_name(step.detail, {model.name for model in request.services.models.list()}),
        machine=step.machines[0].id if step.machines else "",
        arguments=state.arguments,
        deploy="serve",
        annotate_rest=False,
        notify=step.can_notify,
        completed_jobs=False,
        include_auto=False,
        accept_completed=True,
        only_if_better=False,
    )
    form.values |= {PREFIX + one.name: one.default for one in step.fields}
    return step.page(form)


def place(request: PageRequest) -> Response:
    """Check the form and add the run to the queue."""
    state = WizardState.read(request)
    step = _Step(request, state)
    form = Form.submitted(request, (*NAMES, *(PREFIX + one.name for one in step.fields)), boxes=BOXES)
    run_request = step.run_request(form)
    if not form.errors:
        try:
            number = request.services.queue.add(
                run_request,
                source=RunSource.STUDIO,
                server_id=step.server.id,
                machine=CPU if form.values["machine"] == KUBERNETES else str(form.values["machine"]),
                notify=bool(form.values["notify"]) and step.can_notify,
            )
        except RunRequestError as error:
            form.add_error("", f"{LABELS.get(error.field, error.field)}: {error.problem}")
        except PreannotateError as error:
            form.add_error("", error)
        else:
            return go_to(f"/runs/{number}", done="started")
    return step.page(form, 422)


class _Step:
    """What the page shows beside the form."""

    def __init__(self, request: PageRequest, state: WizardState) -> None:
        self.request, self.state = request, state
        self.server: SavedServer = saved_server(request, state.server)
        self.detail: TaskDetail = selected_annotations(request, state)
        self.assessment = assess_annotations(self.detail)
        if self.assessment.level == Sufficiency.TOO_FEW:
            raise PageError(409, "Not enough annotations yet", " ".join(self.assessment.sentences))
        if not state.model:
            raise PageError(400, "No model is chosen yet", "No model is chosen; expected one. Go back and choose one.")
        self.base = base_model(request, state)
        if state.base == VERSION:  # training goes on with the network that it is
            self.state = state = replace(state, model=_network(request, state.base_version) or state.model)
        images = self.detail.annotated_frames + self.detail.empty_frames
        weights = "none" if state.base == NONE else IMAGENET
        self.fields: list[ArgumentField] = argument_fields(state.model, images, base_model=weights)
        places = machines(request.services.settings)
        self.machines: list[Machine] = [one for one in places if one.available]
        self.absent: list[Machine] = [one for one in places if not one.available]
        self.can_notify = request.services.settings.can_notify

    def page(self, form: Form, status: int = 200) -> Response:
        """The form."""
        models = {model.name: model for model in self.request.services.models.list()}
        own = form.values["name"]
        return self.request.page(
            "wizard_start.html",
            status,
            server=self.server,
            state=self.state,
            detail=self.detail,
            assessment=self.assessment,
            form=form,
            common=[one for one in self.fields if one.common],
            others=[one for one in self.fields if not one.common],
            changed=any(
                form.values[PREFIX + one.name] != one.default or form.errors.get(PREFIX + one.name)
                for one in self.fields
                if not one.common
            ),
            prefix=PREFIX,
            machines=self.machines,
            absent=self.absent,
            can_notify=self.can_notify,
            next_version=models[own].versions[0].number + 1 if own in models and models[own].versions else 1,
            exists=own in models,
        )

    def run_request(self, form: Form) -> RunRequest:
        """Return what to put into the queue; errors go to the form."""
        values = form.values
        try:
            check_model_name(values["name"])
        except RunRequestError as error:
            form.add_error("name", f"{LABELS['name']}: {error.problem}")
        if self.state.model != "auto" and self.state.model not in families():
            known = ", ".join(families())
            form.add_error("", f"{LABELS['model']}: {self.state.model!r}; expected auto or one of: {known}.")
        if values["machine"] not in {one.id for one in self.machines}:
            form.add_error("machine", f"Machine: {values['machine']!r}; expected one from the list.")
        if (deploy := values["deploy"]) not in tuple(Deploy):
            form.add_error("deploy", f"After training: {deploy!r}; expected one of: {', '.join(Deploy)}.")
            deploy = Deploy.NONE
        on_cluster = values["machine"] == KUBERNETES
        return RunRequest(
            **vars(self.request.services.servers.access(self.server.id)),
            name=values["name"],
            tasks=self.state.tasks,
            projects=self.state.projects,
            model=self.state.model,
            arguments=self._arguments(form),
            base_model=self.base,
            deploy=Deploy(deploy),
            annotate_rest=bool(values["annotate_rest"]) and deploy != Deploy.NONE,
            completed_jobs=bool(values["completed_jobs"]),
            include_auto=bool(values["include_auto"]),
            accept_completed=bool(values["accept_completed"]),
            only_if_better=bool(values["only_if_better"]),
            kubernetes=self.request.services.settings.kubernetes if on_cluster else None,
        )

    def _arguments(self, form: Form) -> str:
        said = {one.name: form.values[PREFIX + one.name] for one in self.fields}
        for name, value in said.items():  # one at a time, so that each sentence stands at its field
            try:
                assemble_arguments({name: value}, "", self.fields)
            except TrainerError as error:
                form.add_error(PREFIX + name, error)
        try:
            assemble_arguments({}, form.values["arguments"], self.fields)
        except TrainerError as error:
            form.add_error("arguments", error)
        if form.errors:
            return ""
        try:
            return assemble_arguments(said, form.values["arguments"], self.fields)
        except TrainerError as error:
            form.add_error("arguments", error)
            return ""


def base_model(request: PageRequest, state: WizardState) -> str:
    """What `--base-model` gets.

    Raises:
        PageError: The version or the file is not there, or lies where it may not.
    """
    if state.base == VERSION:
        return str(_version(request, state.base_version).run)
    if state.base == FILE:
        return str(_own_file(request, state.base_file))
    return state.base


def _network(request: PageRequest, text: str) -> str:
    return str(_version(request, text).record().get("model") or "")


def _version(request: PageRequest, text: str) -> VersionFolder:
    name, _, number = text.partition("/")
    try:
        folder = request.services.workspace.existing(name).version(int(number))
    except (PreannotateError, ValueError):
        folder = None
    if folder is None or not folder.complete:
        raise PageError(
            400,
            "Version not found",
            f"Initial weights: no version {text[:80]!r}; expected one from the list. Go back and choose it.",
        )
    return folder


def _own_file(request: PageRequest, text: str) -> Path:
    workspace = request.services.workspace.path.resolve()
    try:
        path = (workspace / text).resolve()
        # Whoever comes over the network must not find out which files this machine has.
        allowed = bool(text) and (request.app.files_anywhere or path.is_relative_to(workspace)) and path.exists()
    except (OSError, ValueError):  # what no file can be called
        allowed = False
    if not allowed:
        where = "that exists" if request.app.files_anywhere else f"in the studio's workspace, {workspace.name}"
        raise PageError(
            400,
            "File not found",
            f"Initial weights: {text[:200]!r}; expected a file of weights or the folder of a run {where}. "
            f"Go back and correct it.",
        )
    return path


def suggested_name(detail: TaskDetail, taken: set[str]) -> str:
    """A name that CVAT and nuclio can take, from that of the project or the task, and not yet in use."""
    task = detail.summary
    name = (task and (slug(task.project or task.name) or f"task-{task.id}")) or "model"
    names = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
    return next(one for one in names if one not in taken)
