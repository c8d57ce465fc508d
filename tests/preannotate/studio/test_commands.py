"""The command lines of orders are ones that `preannotate` takes, with every option that an order can have."""

import pytest

from preannotate.cli.main import parser
from preannotate.jobs.commands import OPTIONS, arguments, check
from preannotate.jobs.queue import ANNOTATE, KINDS, RANK, REVIEW, TRAIN, Order
from preannotate.registry.workspace import write_json

LOGIN = ("--cvat", "https://cvat.example.org", "--auth", "ann", "--organization", "", "--insecure")
VALUES = {bool: True, int: 2, float: 0.25, str: "two words"}


@pytest.fixture
def version(workspace):
    """Version 2 of `forklifts`, finished."""
    found = workspace.model("forklifts").version(2)
    found.run.mkdir(parents=True)
    (found.function / "nuclio").mkdir(parents=True)
    write_json(found.record_file, {"number": 2})
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_preannotate_understands_it(workspace, version, kind):
    options = {name: VALUES[type_] for name, type_ in OPTIONS[kind].items()}
    order = Order(kind=kind, name="forklifts", tasks=(12,), options=options)
    check(order, workspace, "")
    parsed = vars(parser().parse_args(arguments(order, workspace, LOGIN)))

    assert {name: parsed[name] for name in options if name != "version"} == {
        name: value for name, value in options.items() if name != "version"
    }
    assert (parsed["cvat"], parsed["auth"], parsed["organization"], parsed["insecure"]) == (
        "https://cvat.example.org", "ann", "", True,
    )  # fmt: skip
    if kind in (ANNOTATE, REVIEW, RANK):
        assert parsed["task"] == 12
        assert parsed.get("named_function", parsed.get("function")) == version.function


def test_a_training_with_everything(workspace):
    order = Order(
        kind=TRAIN,
        name="forklifts",
        tasks=(12, 13),
        projects=(3,),
        jobs=(40,),
        model="frcnn-resnet50",
        arguments="epochs=4,\nbatch_size=8 # small",
        base_model="previous",
        machine="kubernetes",
        deploy="none",
        annotate_rest=True,
    )
    place = "image=i,claim=c"
    check(order, workspace, place)
    parsed = parser().parse_args(arguments(order, workspace, ("--profile", "home"), place))

    assert (parsed.task, parsed.project, parsed.job, parsed.name) == ([12, 13], [3], [40], "forklifts")
    assert (parsed.model, parsed.arguments, parsed.base_model) == (
        "frcnn-resnet50", "epochs=4,\nbatch_size=8 # small", "previous",
    )  # fmt: skip
    assert (parsed.deploy, parsed.annotate_rest, parsed.profile) == ("none", True, "home")
    assert (parsed.kubernetes, parsed.workspace) == (place, workspace.path)


def test_what_is_not_asked_for_is_not_said(workspace):
    said = arguments(Order(name="forklifts", tasks=(12,), options={"restart": False}), workspace, ())

    assert said == [
        "run", "--workspace", str(workspace.path), "--name", "forklifts", "--task", "12", "--model", "auto",
        "--base-model", "imagenet", "--deploy", "serve",
    ]  # fmt: skip


def test_a_run_folder_that_is_gone_is_not_named(workspace, version):
    version.run.rmdir()

    assert "--run" not in arguments(
        Order(kind=REVIEW, name="forklifts", tasks=(12,), options={"version": 2}), workspace, ()
    )
