"""Names of models that nobody named."""

import pytest
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask, picture

from preannotate.cvat.connection import connect
from preannotate.cvat.login import Login
from preannotate.pipeline.errors import PipelineError
from preannotate.pipeline.run_request import RunRequest, name_for, slug, write_run_request
from preannotate.registry.workspace import Workspace


@pytest.fixture
def name(cvat, tmp_path):
    """The name for a task called so, kept as a run keeps it."""
    server = connect(Login(url=cvat.url))
    workspace = Workspace(tmp_path)

    def of(title, keep=True, **asked):
        asked = RunRequest(cvat=cvat.url, **(asked or {"tasks": (12,)}))
        for number in (12, 13):
            cvat.add(FakeTask(number, [("a.png", picture(1))], [FakeLabel(1, "cat")], [FakeJob(40, 0, 0)], name=title))
        found = name_for(server, workspace, asked)
        if keep:
            write_run_request(workspace.model(found).run_request, asked)
        return found

    return of


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("Boards", "boards"),
        ("  Yard (north), 2026/11 ", "yard-north-2026-11"),
        ("Kätzchen", "katzchen"),
        ("板", "task-12"),
        ("", "task-12"),
        ("Dashboard", "dashboard-12"),
        ("boards-gpu", "boards-gpu-12"),
        ("x" * 99, "x" * 40),
    ],
)
def test_the_name_of_the_task_as_nuclio_takes_it(name, title, plain):
    assert name(title) == plain


def test_the_same_task_again_is_the_same_model(name):
    assert [name("Boards"), name("Boards")] == ["boards", "boards"]


def test_another_task_of_that_name_is_another_model(name):
    assert [name("Boards"), name("Boards", tasks=(13,)), name("Boards", tasks=(13,))] == [
        "boards",
        "boards-13",
        "boards-13",
    ]


def test_the_name_of_the_task_of_a_job_and_of_a_project(name, cvat):
    cvat.projects.append(3)

    assert name("Boards", jobs=(40,)) == "boards"
    assert name("Boards", projects=(3,)) == "a-project"


def test_no_name_is_left(name, tmp_path):
    name("Boards")
    name("Boards", tasks=(12, 13))

    with pytest.raises(PipelineError) as caught:
        name("Boards", tasks=(12, 13, 14))

    assert str(caught.value) == (
        f"{tmp_path}: 'boards' and 'boards-12' are models of other tasks; expected a free name. "
        f"Choose one with --name, or continue one of these models with --name."
    )


def test_what_is_no_letter_goes():
    assert slug("--a__b--") == "a-b"
