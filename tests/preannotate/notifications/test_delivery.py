"""`preannotate notify`, as people try their settings."""

import json
import os
import subprocess
import sys

import pytest

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from preannotate.notifications.delivery import train_and_notify, training_message
from preannotate.notifications.message import NotifyError, validation_picture
from preannotate.notifications.settings import VARIABLES
from trainer.errors import TrainingError


@pytest.fixture
def mail(mail_server, monkeypatch):
    server = mail_server()
    values = {"HOST": "127.0.0.1", "PORT": str(server.port), "SECURITY": "none"}
    values |= {"SENDER": "ann@example.org", "RECIPIENTS": "bob@example.org"}
    for name, value in values.items():
        monkeypatch.setenv(f"PREANNOTATE_SMTP_{name}", value)
    return server


def test_what_is_set_is_shown_without_secrets(mail, receiver, monkeypatch, capsys):
    monkeypatch.setenv("PREANNOTATE_WEBHOOK_URL", receiver.url)
    monkeypatch.setenv("PREANNOTATE_WEBHOOK_SECRET", "battery staple")

    assert main(["notify"]) == 0

    said = capsys.readouterr().out
    assert all(name in said for name in VARIABLES)
    assert (
        f"e-mail: to bob@example.org from ann@example.org, by 127.0.0.1:{mail.port} (none, without login)\n"
        f"webhook: {receiver.url.removesuffix('/hooks/very-secret-path')}/… (signed)\n"
        f"send a test message: preannotate notify --test\n"
    ) in said
    assert mail.mails == receiver.bodies == []
    assert "battery" not in said


def test_a_test_message(mail, capsys):
    assert main(["notify", "--test"]) == 0

    assert mail.mails[0]["Subject"] == "Preannotate: a test message"
    assert capsys.readouterr().err == "message sent: Preannotate: a test message\n"


def test_a_test_message_that_is_not_delivered(mail, capsys):
    mail.unknown = {"bob@example.org"}

    assert main(["notify", "--test"]) == 1
    assert capsys.readouterr().err == (
        f"not delivered: mail server 127.0.0.1:{mail.port}: 550 for the recipient 'bob@example.org' (no such user "
        f"here); expected an accepted recipient. Check the address.\n"
    )


def test_nothing_is_set(capsys):
    assert main(["notify", "--test"]) == COULD_NOT_RUN
    assert capsys.readouterr().err.startswith("error: --notify: no recipient;")


def test_nothing_heavy_is_imported():
    code = (
        "import preannotate.notifications, sys; print(*{'PIL', 'smtplib', 'tensorflow', 'cvat_sdk'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)

    assert done.stdout.split() == []


SUMMARY = {"validation": {"map50": 0.83, "mean_ap": 0.58}, "labels": ["mug"], "epochs": 4, "seconds": 44.6}


@pytest.fixture
def told(receiver, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_WEBHOOK_URL", receiver.url)
    return lambda: [(body["title"], body["message"]) for body in map(json.loads, receiver.bodies)]


def run(train, folder, *, trials=False):
    return train_and_notify(train, folder, trials=trials)


def raising(error):
    def train():
        raise error

    return train


def test_a_training_that_is_done_is_told(told, tmp_path):
    def train():
        (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
        return 0

    assert run(train, tmp_path) == 0
    (message,) = told()
    assert message[0] == f"{tmp_path.name}: trained, mAP50 0.830, mAP 0.580"


def test_a_training_that_failed_is_told_with_its_error(told, tmp_path):
    with pytest.raises(TrainingError):
        run(raising(TrainingError("a.zip: no boxes; expected some.")), tmp_path / "boards")
    assert told() == [("boards: the run failed", "a.zip: no boxes; expected some.")]


def test_a_training_that_broke_is_told_and_breaks_all_the_same(told, tmp_path):
    with pytest.raises(MemoryError):
        run(raising(MemoryError("too much")), tmp_path / "boards")
    assert told() == [("boards: the run failed", "MemoryError: too much")]


def test_the_best_of_several_trials_is_told(told, tmp_path):
    rows = [
        {"run": "trial-001", "overrides": {"seed": 1}, "map50": 0.9, "mean_ap": 0.6},
        {"run": "trial-000", "overrides": {"seed": 0}, "map50": 0.8, "mean_ap": 0.5},
    ]
    means = {"map50": {"mean": 0.85, "deviation": 0.05}, "mean_ap": {"mean": 0.55, "deviation": 0.05}}
    results = {"best": "trial-001", "trials": rows, "note": "Its own is too high.", **means}
    (tmp_path / "trials.json").write_text(json.dumps(results))

    run(lambda: 0, tmp_path, trials=True)

    ((title, message),) = told()
    assert title == f"{tmp_path.name}: the trials are done; the best, trial-001, has mAP50 0.900, mAP 0.600"
    assert message == "Its own is too high."


def test_trials_are_told_once(told, tmp_path):
    run(lambda: 0, tmp_path / "many", trials=True)

    assert told() == [("many: the trials are done", f"`preannotate train --pick {tmp_path / 'many'}` names the best.")]


def test_who_stops_a_training_is_not_told(told, tmp_path):
    assert run(lambda: 130, tmp_path) == 130
    assert told() == []


def test_only_the_chief_of_several_machines_tells(told, tmp_path, monkeypatch):
    cluster = {"worker": ["a:1", "b:1"]}
    for index, count in ((1, 0), (0, 1)):
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}))
        with pytest.raises(TrainingError):
            run(raising(TrainingError("no boxes")), tmp_path)
        assert len(told()) == count


def test_a_message_that_is_not_delivered_is_no_failed_training(told, receiver, tmp_path, capsys):
    receiver.statuses = [403]

    assert run(lambda: 0, tmp_path, trials=True) == 0
    assert "not delivered: webhook" in capsys.readouterr().err


def test_nobody_to_tell_is_said_before_anything_is_trained(tmp_path):
    with pytest.raises(NotifyError, match="no recipient"):
        run(lambda: pytest.fail("trained"), tmp_path)


@pytest.mark.parametrize("option", [["--pick", "runs"], ["--kubernetes", "image=a"]])
def test_nothing_is_trained_here(capsys, option):
    assert main(["train", "a.zip", "--notify", *option]) == 2
    assert capsys.readouterr().err == (
        "error: train: --notify with --kubernetes or --pick, which do not train here; expected a training. "
        "Leave --notify out.\n"
    )


def test_a_training(tmp_path):
    scores = {"map50": 0.8305, "mean_ap": 0.58}
    summary = {"validation": scores, "labels": [str(i) for i in range(22)], "epochs": 43, "seconds": 44.6}
    (tmp_path / "summary.json").write_text(json.dumps(summary))

    message = training_message(tmp_path)

    assert message.title == f"{tmp_path.name}: trained, mAP50 0.831, mAP 0.580"
    assert message.text == f"The training is done. `preannotate build {tmp_path}` builds a function from it."
    assert message.facts["labels"].endswith("18, 19 and 2 more")
    assert message.facts["time"] == "45 s"
    assert message.picture is None
    assert training_message(tmp_path / "nothing").text == "It left no readable summary."


def test_no_pictures(tmp_path):
    assert validation_picture(tmp_path) is None
