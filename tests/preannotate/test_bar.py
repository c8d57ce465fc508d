"""How far a piece of work is, for people and for programs."""

import json

from preannotate.core import progress
from preannotate.core.progress import Bar


def read(path):
    return json.loads(path.read_text())


def test_a_program_reads_how_far_it_is(tmp_path, monkeypatch):
    path = tmp_path / "done.json"
    monkeypatch.setenv("PREANNOTATE_PROGRESS", str(path))
    monkeypatch.setattr(progress, "_SECONDS", 0.0)
    with Bar(3, "frame") as shown:
        assert read(path) == {"done": 0, "total": 3, "unit": "frame"}
        shown.update()
        assert read(path)["done"] == 1
        shown.update(2)

    assert read(path)["done"] == 3
    assert [one.name for one in tmp_path.iterdir()] == ["done.json"]


def test_it_is_not_written_at_every_step_but_at_the_end(tmp_path, monkeypatch):
    path = tmp_path / "done.json"
    monkeypatch.setenv("PREANNOTATE_PROGRESS", str(path))
    with Bar(3, "frame") as shown:
        shown.update()
        assert read(path)["done"] == 0

    assert read(path)["done"] == 1


def test_nobody_watches(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("PREANNOTATE_PROGRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    with Bar(3, "frame", "frames") as shown:
        shown.update()

    assert (list(tmp_path.iterdir()), capsys.readouterr().err) == ([], "")
