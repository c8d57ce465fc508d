"""Exceptions of the pipeline.

PipelineError (ValueError)   a stage of a run cannot go on
└── RunRequestError          a field of a run request has an impossible value
"""

from preannotate.core.errors import PreannotateError

# Fields whose flag is not spelt like the field.
_FLAGS = {"tasks": "--task", "projects": "--project", "jobs": "--job", "user": "--auth", "wait_seconds": "--wait"}


class PipelineError(PreannotateError, ValueError):
    """A stage of a run cannot go on."""


class RunRequestError(PipelineError):
    """A field of a request has an impossible value; `problem` is the message without the flag, for forms."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{_FLAGS.get(field) or '--' + field.replace('_', '-')}: {problem}")
        self.field, self.problem = field, problem
