"""`preannotate notify`, as people try their settings."""

import os
import subprocess
import sys

import pytest

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from preannotate.notifications.settings import VARIABLES


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
