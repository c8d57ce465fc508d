"""The message at the end of a run: what `notify` sends, with a link to the run's page."""

from preannotate.jobs.queue import DONE, STOPPED, TRAIN, Run
from preannotate.notifications import Message, notify
from preannotate.pipeline.outcomes import DONE as CODE_DONE
from preannotate.pipeline.outcomes import failed, of_run
from preannotate.registry.workspace import Workspace
from preannotate.studio.settings import Settings

# Of a run, behind the studio's own address.
PAGE = "/runs/{}"
_DONE = {
    "annotate": "The frames without annotations have boxes now.",
    "review": "The list of disagreements is ready.",
    "rank": "The list of what to annotate next is ready.",
}


def tell(run: Run, code: int | None, workspace: Workspace, settings: Settings) -> list[str]:
    """Send the message about a run that has just ended; returns sentences about what could not be delivered."""
    return notify(settings.notifications(), message(run, code, workspace, settings.link_base))


def message(run: Run, code: int | None, workspace: Workspace, link_base: str) -> Message:
    """What is told.

    Args:
        run: Over.
        code: Exit code; None if it is not known.
        workspace: Where its version is.
        link_base: Address of the studio; "" makes no link.
    """
    link = link_base + PAGE.format(run.id) if link_base else ""
    if run.kind == TRAIN and run.state == DONE:
        return of_run(workspace.model(run.model_name), CODE_DONE if code is None else code, link=link)
    if run.state == DONE:
        task = ", ".join(map(str, run.order.tasks))
        return Message(f"{run.model_name}: {run.kind} of task {task} is done", _DONE[run.kind], link)
    if run.state == STOPPED:
        return Message(f"{run.model_name}: the run was stopped", "Resume it on its page: it goes on there.", link)
    return failed(run.model_name, run.error or f"The run ended with exit code {code}.", link=link)
