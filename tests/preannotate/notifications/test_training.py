"""`preannotate train --notify`, with a fake in place of the training."""

import json
import sys

import pytest

from preannotate.cli.main import parser
from preannotate.notifications import NotifyError
from preannotate.notifications.training import run

SUMMARY = {"validation": {"map50": 0.83, "mean_ap": 0.58}, "labels": ["mug"], "epochs": 4, "seconds": 44.6}


@pytest.fixture
def told(receiver, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_WEBHOOK_URL", receiver.url)
    return lambda: [(body["title"], body["message"]) for body in map(json.loads, receiver.bodies)]


def arguments(*options):
    return parser().parse_args(["train", *map(str, options)])


def test_a_training_that_is_done_is_told(told, tmp_path):
    def train(asked):
        assert not hasattr(asked, "notify")
        (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
        return 0

    assert run(train, arguments("a.zip", "--output", tmp_path, "--notify")) == 0
    (message,) = told()
    assert message[0] == f"{tmp_path.name}: trained, mAP50 0.83"


def test_a_training_that_failed_is_told_with_its_last_error(told, capsys, tmp_path):
    def train(_):
        print("error: a.zip: no boxes; expected some.", file=sys.stderr)
        print("bye", file=sys.stderr)
        return 2

    assert run(train, arguments("a.zip", "--output", tmp_path / "boards", "--notify")) == 2
    assert told() == [("boards: the run failed", "a.zip: no boxes; expected some.")]
    assert capsys.readouterr().err == ("error: a.zip: no boxes; expected some.\nbye\ntold: boards: the run failed\n")


def test_a_training_that_broke_is_told_and_breaks_all_the_same(told):
    def train(_):
        raise MemoryError("too much")

    with pytest.raises(MemoryError):
        run(train, arguments("a.zip", "--notify"))
    assert told() == [("train: the run failed", "MemoryError: too much")]


def test_trials_are_told_once(told, tmp_path):
    run(lambda _: 0, arguments("a.zip", "--output", tmp_path / "many", "--trials", 3, "--notify"))

    assert told() == [("many: the trials are done", f"`preannotate train --pick {tmp_path / 'many'}` names the best.")]


def test_who_stops_a_training_is_not_told(told):
    assert run(lambda _: 130, arguments("a.zip", "--notify")) == 130
    assert told() == []


def test_without_the_flag_nobody_is_told(told):
    assert run(lambda _: 0, arguments("a.zip")) == 0
    assert told() == []


def test_only_the_chief_of_several_machines_tells(told, tmp_path, monkeypatch):
    cluster = {"worker": ["a:1", "b:1"]}
    for index, count in ((1, 0), (0, 1)):
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}))
        run(lambda _: 2, arguments("a.zip", "--output", tmp_path, "--notify"))
        assert len(told()) == count


def test_a_message_that_is_not_delivered_is_no_failed_training(told, receiver, tmp_path, capsys):
    receiver.statuses = [403]

    assert run(lambda _: 0, arguments("a.zip", "--output", tmp_path, "--notify")) == 0
    assert "not delivered: webhook" in capsys.readouterr().err


def test_nobody_to_tell_is_said_before_anything_is_trained():
    with pytest.raises(NotifyError, match="nobody to tell"):
        run(lambda _: pytest.fail("trained"), arguments("a.zip", "--notify"))


@pytest.mark.parametrize("option", [["--pick", "runs"], ["--kubernetes", "image=a"]])
def test_nothing_is_trained_here(told, option):
    with pytest.raises(NotifyError) as error:
        run(lambda _: pytest.fail("trained"), arguments("a.zip", "--notify", *option))

    assert str(error.value) == (
        "train: --notify with --kubernetes or --pick, which train nothing here; expected a training. Leave it out."
    )
