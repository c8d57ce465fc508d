import json

import pytest

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from preannotate.cvat.dataset_folder import PullFolder
from preannotate.cvat.tasks import Job

URL = "https://cvat.example.org"
JOB = Job(40, 12, "annotation", "new", "annotation", "monday", (0,), 0)


def test_annotations_are_asked_for_when_the_job_changed(tmp_path):
    folder = PullFolder(tmp_path / "pulled", URL)
    answers = iter([{"shapes": [1]}, {"shapes": [2]}])

    assert folder.annotations(JOB, lambda: next(answers)) == {"shapes": [1]}
    assert PullFolder(tmp_path / "pulled", URL).annotations(JOB, lambda: next(answers)) == {"shapes": [1]}
    later = Job(**{**JOB.__dict__, "updated": "tuesday"})
    assert folder.annotations(later, lambda: next(answers)) == {"shapes": [2]}


def test_damaged_memory_is_asked_for_again(tmp_path):
    folder = PullFolder(tmp_path, URL)
    folder.annotations(JOB, lambda: {"shapes": [1]})
    (tmp_path / ".pull" / "job-40.json").write_text('{"updated": "mon')

    assert folder.annotations(JOB, lambda: {"shapes": [2]}) == {"shapes": [2]}


def test_nothing_is_made_before_there_is_something_to_keep(tmp_path):
    PullFolder(tmp_path / "pulled", URL)

    assert not (tmp_path / "pulled").exists()


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda path: path.write_text("a"), "{path}: is a file; expected a folder to write to. Name another."),
        (
            lambda path: (path.mkdir(), (path / "letter.txt").write_text("a")),
            "{path}: is not empty and holds no earlier pull; expected a new folder. Name another.",
        ),
        (
            lambda path: PullFolder(path, URL).annotations(JOB, dict),
            "{path}: holds a pull from https://cvat.example.org; expected one from {url}. Name another folder.",
        ),
    ],
)
def test_another_folder_is_left_alone(newest, tmp_path, capsys, prepare, sentence):
    path = tmp_path / "pulled"
    prepare(path)
    before = sorted(tmp_path.rglob("*"))

    assert main(["pull", "--cvat", newest.url, "--task", "12", "--output", str(path)]) == COULD_NOT_RUN

    assert capsys.readouterr().err == f"error: {sentence.format(path=path, url=newest.url)}\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_tidying_removes_what_is_not_wanted_any_more(tmp_path):
    folder = PullFolder(tmp_path, URL)
    for name in ("images/task-1/a.png", "images/task-1/b/c.png", "images/task-2/.d.png.partial", "letter.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    folder.remove_other_images([tmp_path / "images/task-1/a.png"])

    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "images",
        "images/task-1",
        "images/task-1/a.png",
        "letter.txt",
    ]


def test_the_memory_says_whose_it_is(tmp_path):
    PullFolder(tmp_path, URL).annotations(JOB, dict)

    assert json.loads((tmp_path / ".pull/server.json").read_text()) == {"format": 1, "url": URL}
