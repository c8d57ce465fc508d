"""`preannotate run --notify`: the loop's own command, and a message when it has ended."""

import os
from collections.abc import Callable

from preannotate.core.errors import PreannotateError
from preannotate.notifications.command import tell
from preannotate.notifications.settings import NotifySettings
from preannotate.pipeline import run_request as asking
from preannotate.pipeline.outcomes import failed, of_run
from preannotate.pipeline.progress import Progress
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import ModelFolder, Workspace
from runtime.errors import FunctionError
from trainer.errors import TrainerError

COULD_NOT_RUN = 2


def run(command: Callable[[], int], workspace: Workspace, name: str | None = None) -> int:
    """Run, then tell; returns the exit code of the run, whether or not the message came through.

    Args:
        command: The run, in this process.
        workspace: Where it is at work.
        name: Of the model, if it was said.

    Raises:
        NotifyError: Nobody is to be told: before anything is done.
    """
    settings = NotifySettings.from_environment()
    try:
        code = command()
    except (PreannotateError, TrainerError, FunctionError, OSError, RuntimeError) as error:
        model = _model(workspace)
        message = (
            failed(name or "Preannotate", str(error))
            if model is None
            else of_run(model, COULD_NOT_RUN, process=os.getpid(), error=str(error), link=models_page(model))
        )
        tell(settings, message)
        raise
    if (model := _model(workspace)) is not None:
        tell(settings, of_run(model, code, process=os.getpid(), link=models_page(model)))
    return code


def models_page(model: ModelFolder) -> str:
    """The address of the page of CVAT that lists the model; "" if it is not known."""
    try:
        asked = asking.read(model.asked)
    except WorkspaceError:
        return ""
    return f"{asked.cvat.rstrip('/')}/models" if asked is not None and asked.cvat else ""


def _model(workspace: Workspace) -> ModelFolder | None:
    """The model that this process worked on: its name may come from CVAT."""
    for model in workspace.models():
        try:
            progress = Progress.read(model.progress)
        except WorkspaceError:
            continue
        if progress is not None and progress.process == os.getpid():
            return model
    return None
