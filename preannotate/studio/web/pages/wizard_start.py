"""A new annotation model, the last step: name, machine, arguments, what happens after training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.responses import Response

from preannotate.core.errors import PreannotateError
from preannotate.jobs.queue import RunSource
from preannotate.pipeline.errors import RunRequestError
from preannotate.pipeline.run_request import RunRequest, check_model_name
from preannotate.registry.publication import Deploy
from preannotate.registry.workspace import VersionFolder
from preannotate.studio.arguments import ArgumentField, argument_fields, assemble_arguments
from preannotate.studio.catalogue import TaskDetail
from preannotate.studio.errors import PageError
from preannotate.studio.families import families
from preannotate.studio.machines import CPU, KUBERNETES, Machine, machines
from preannotate.studio.recommendations import Sufficiency, assess_annotations, recommend_model
from preannotate.studio.servers import SavedServer
from preannotate.studio.web.page_request import Form, PageRequest, go_to
from preannotate.studio.web.pages.servers import saved_server
from preannotate.studio.web.pages.wizard import InitialWeights, WizardState, selected_annotations, suggested_name
from trainer.errors import TrainingError
from trainer.recommendation import FAST
from trainer.request import AUTO

NAMES = ("name", "machine", "arguments", "deploy")
# Checkboxes; those of the same name in a `RunRequest`.
RULES = ("completed_jobs", "include_auto", "accept_completed", "only_if_better")
BOXES = ("annotate_rest", "notify", *RULES)
# Labels of the fields, for sentences that name the flag of the command line.
LABELS = {"name": "Name", "model": "Model", "base_model": "Initial weights", "tasks": "Tasks", "projects": "Projects"}
# Before the names of arguments, so that none is taken for a field of the form itself.
PREFIX = "a-"


def show(request: PageRequest) -> Response:
    """Show the form with its defaults."""
    state = WizardState.read(request)
    step = _Step(request, state)
    form = Form.initial(
        name=state.name or suggested_name(step.detail, {model.name for model in request.services.models.list()}),
        machine=step.machines[0].id if step.machines else "",
        arguments=state.arguments,
        deploy="serve",
        **dict.fromkeys(BOXES, False) | {"notify": step.can_notify, "accept_completed": True},
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
    """What the page shows beside the form, and the run request that the form makes of it."""

    def __init__(self, request: PageRequest, state: WizardState) -> None:
        self.request, self.state = request, state
        self.server: SavedServer = saved_server(request, state.server)
        self.detail: TaskDetail = selected_annotations(request, state)
        self.assessment = assess_annotations(self.detail)
        if self.assessment.level == Sufficiency.TOO_FEW:
            raise PageError(409, "Not enough annotations yet", " ".join(self.assessment.sentences))
        if not state.model:
            raise PageError(400, "No model is chosen yet", "No model is chosen; expected one. Go back and choose one.")
        self.base = _base_model(request, state)
        if state.base == InitialWeights.VERSION:  # the network is that of the version
            record = _version(request, state.base_version).record()
            self.state = state = replace(state, model=str(record.get("model") or state.model))
        images = self.detail.annotated_frames + self.detail.empty_frames
        # The network whose defaults are shown; a training may still choose another one.
        self.network = state.model
        if state.model == AUTO:
            recommended = recommend_model(self.detail, base_model=state.base_weights, overrides=state.overrides)
            self.network = recommended.model if recommended else FAST
        self.fields: list[ArgumentField] = argument_fields(self.network, images, base_model=state.base_weights)
        places = machines(request.services.settings)
        self.machines: list[Machine] = [one for one in places if one.problem is None]
        self.unavailable: list[Machine] = [one for one in places if one.problem]
        self.can_notify = request.services.settings.can_notify

    def page(self, form: Form, status: int = 200) -> Response:
        """Render the form."""
        others = [one for one in self.fields if not one.common]
        name = form.values["name"]
        versions = {model.name: model.versions for model in self.request.services.models.list()}.get(name)
        return self.request.page(
            "wizard_start.html",
            status,
            server=self.server,
            state=self.state,
            detail=self.detail,
            assessment=self.assessment,
            network=self.network,
            form=form,
            common=[one for one in self.fields if one.common],
            others=others,
            changed=any(
                form.values[PREFIX + one.name] != one.default or form.errors.get(PREFIX + one.name) for one in others
            ),
            prefix=PREFIX,
            machines=self.machines,
            unavailable=self.unavailable,
            can_notify=self.can_notify,
            next_version=versions[0].number + 1 if versions else 1,
            exists=versions is not None,
        )

    def run_request(self, form: Form) -> RunRequest:
        """Return what to put into the queue; errors go to the form."""
        values = form.values
        try:
            check_model_name(values["name"])
        except RunRequestError as error:
            form.add_error("name", f"{LABELS['name']}: {error.problem}")
        if self.state.model != AUTO and self.state.model not in families():
            known = ", ".join(families())
            form.add_error("", f"{LABELS['model']}: {self.state.model!r}; expected auto or one of: {known}.")
        if values["machine"] not in {one.id for one in self.machines}:
            form.add_error("machine", f"Machine: {values['machine']!r}; expected one from the list.")
        if (deploy := values["deploy"]) not in tuple(Deploy):
            form.add_error("deploy", f"After training: {deploy!r}; expected one of: {', '.join(Deploy)}.")
            deploy = Deploy.NONE
        on_cluster = values["machine"] == KUBERNETES
        rules: dict[str, Any] = {name: bool(values[name]) for name in RULES}
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
            **rules,
            kubernetes=self.request.services.settings.kubernetes if on_cluster else None,
        )

    def _arguments(self, form: Form) -> str:
        values = {one.name: form.values[PREFIX + one.name] for one in self.fields}
        for name, value in values.items():  # one at a time, so that each error is shown at its field
            try:
                assemble_arguments({name: value}, "", self.fields)
            except TrainingError as error:
                form.add_error(PREFIX + name, error)
        try:
            # Without the values while one of them is wrong: this error is then that of the text.
            return assemble_arguments({} if form.errors else values, form.values["arguments"], self.fields)
        except TrainingError as error:
            form.add_error("arguments", error)
            return ""


def _base_model(request: PageRequest, state: WizardState) -> str:
    """Return the value of `--base-model`; a PageError if the version or the file does not exist or is not allowed."""
    if state.base == InitialWeights.VERSION:
        return str(_version(request, state.base_version).run)
    if state.base == InitialWeights.FILE:
        return str(_own_file(request, state.base_file))
    return state.base


def _version(request: PageRequest, text: str) -> VersionFolder:
    name, _, number = text.partition("/")
    try:
        folder = request.services.workspace.existing(name).version(int(number))
    except (PreannotateError, ValueError):
        folder = None
    if folder is None or not folder.complete:
        sentence = f"Initial weights: no version {text[:80]!r}; expected one from the list. Go back and choose it."
        raise PageError(400, "Version not found", sentence)
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
        sentence = (
            f"Initial weights: {text[:200]!r}; expected a file of weights or the folder of a run {where}. "
            f"Go back and correct it."
        )
        raise PageError(400, "File not found", sentence)
    return path
