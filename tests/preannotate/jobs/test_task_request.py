"""What a finished model does with a task: its command line is one that `preannotate` accepts, with every option."""

import re
from dataclasses import fields, replace

import pytest

from preannotate.cli.main import parser
from preannotate.core.files import write_json
from preannotate.jobs.errors import JobError
from preannotate.jobs.task_request import OPTIONS, RunKind, TaskRequest
from preannotate.pipeline.errors import RunRequestError
from preannotate.pipeline.run_request import CvatAccess
from preannotate.registry.workspace import WorkspaceError

VALUES = {
    "threshold": 0.25,
    "confidence_attribute": "sure",
    "annotated_frames": True,
    "top": 2,
    "completed_jobs": True,
    "issues": True,
    "create_task": "two words",
}
ACCESS = CvatAccess(cvat="https://cvat.example.org", user="ann", organization="", insecure=True)


@pytest.fixture
def version(home):
    """Version 2 of `forklifts`, finished."""
    found = home.model("forklifts").version(2)
    found.run.mkdir(parents=True)
    (found.function / "nuclio").mkdir(parents=True)
    write_json(found.record_file, {"number": 2})
    return found


def request_for(kind, **changes):
    plain = TaskRequest(**vars(ACCESS), kind=RunKind(kind), name="forklifts", task=12, version=2)
    return replace(plain, **changes)


@pytest.mark.parametrize("kind", OPTIONS)
def test_preannotate_understands_it(home, version, kind):
    options = {name: VALUES[name] for name in OPTIONS[kind]}
    request = request_for(kind, **options)
    request.check(home)
    parsed = vars(parser().parse_args(request.to_argv(home)))

    assert {name: parsed[name] for name in options} == options
    assert (parsed["cvat"], parsed["auth"], parsed["organization"], parsed["insecure"]) == (
        "https://cvat.example.org", "ann", "", True,
    )  # fmt: skip
    assert version.function in parsed.values() or [version.function] in parsed.values()


def test_every_option_is_a_field():
    assert {name for names in OPTIONS.values() for name in names} <= {field.name for field in fields(TaskRequest)}
    assert set(VALUES) == {name for names in OPTIONS.values() for name in names}


def test_a_run_folder_that_is_gone_is_not_named(home, version):
    version.run.rmdir()

    assert "--run" not in request_for("review").to_argv(home)


def test_it_needs_a_model_that_is_published_or_a_version(home):
    with pytest.raises(WorkspaceError, match="no model 'forklifts'"):
        request_for("annotate").check(home)
    home.model("forklifts").path.mkdir(parents=True)
    sentence = "model 'forklifts': is not published; expected a version. Publish one, or choose a version."
    with pytest.raises(JobError, match=f"^{re.escape(sentence)}$"):
        request_for("annotate", version=None).check(home)
    with pytest.raises(JobError, match="model 'forklifts': no finished version 3; expected one"):
        request_for("annotate", version=3).check(home)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("task", 0, "0; expected a whole number from 1 on."),
        ("threshold", 2.0, "2; expected a number from 0 to 1."),
        ("top", 0, "0; expected a whole number from 1 on."),
        ("create_task", "--help", "'--help'; expected text that does not begin with '-'."),
    ],
)
def test_an_impossible_value_names_its_field(home, version, field, value, problem):
    with pytest.raises(RunRequestError, match=re.escape(problem)):
        request_for("rank", **{field: value}).check(home)
