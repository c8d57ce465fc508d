"""Each wrong setting in one sentence, and no secret in any of them."""

import re

import pytest

from preannotate.notifications.message import NotifyError
from preannotate.notifications.settings import NotifySettings, SmtpSettings, WebhookSettings, split_addresses

MAIL = {
    "PREANNOTATE_SMTP_HOST": "mail.example.org",
    "PREANNOTATE_SMTP_USER": "ann",
    "PREANNOTATE_SMTP_PASSWORD": "correct horse",
    "PREANNOTATE_SMTP_SENDER": "Ann <ann@example.org>",
    "PREANNOTATE_SMTP_RECIPIENTS": 'bob@example.org, "Doe, Jane" <jane@example.org>',
}
HOOK = {"PREANNOTATE_WEBHOOK_URL": "https://chat.example.org/hooks/abc", "PREANNOTATE_WEBHOOK_SECRET": "battery staple"}


def test_all_variables():
    settings = NotifySettings.from_environment(MAIL | HOOK)

    recipients = ("bob@example.org", '"Doe, Jane" <jane@example.org>')
    assert settings.smtp == SmtpSettings(
        "mail.example.org", 587, "starttls", "ann", "correct horse", "Ann <ann@example.org>", recipients
    )
    assert settings.webhook == WebhookSettings("https://chat.example.org/hooks/abc", "battery staple")


def test_the_environment_is_read_if_nothing_is_given(monkeypatch):
    monkeypatch.setenv("PREANNOTATE_WEBHOOK_URL", "http://127.0.0.1/a")

    assert NotifySettings.from_environment() == NotifySettings(None, WebhookSettings("http://127.0.0.1/a"))


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_usual_port_of_each_security(security, port):
    mail = {
        name: value
        for name, value in MAIL.items()
        if name not in ("PREANNOTATE_SMTP_USER", "PREANNOTATE_SMTP_PASSWORD")
    }

    assert NotifySettings.from_environment(mail | {"PREANNOTATE_SMTP_SECURITY": security}).smtp.port == port


def test_no_secret_is_shown():
    shown = repr(NotifySettings.from_environment(MAIL | HOOK))

    assert not re.search("correct horse|battery staple|hooks", shown)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SMTP_PORT": "x"}, "PREANNOTATE_SMTP_PORT: 'x'; expected a number from 1 to 65535."),
        ({"SMTP_PORT": "٣"}, "PREANNOTATE_SMTP_PORT: '٣'; expected a number from 1 to 65535."),
        ({"SMTP_PORT": "0"}, "PREANNOTATE_SMTP_…: port of the mail server: 0; expected a number from 1 to 65535."),
        (
            {"SMTP_SECURITY": "ssl"},
            "PREANNOTATE_SMTP_…: security of the mail server: 'ssl'; expected one of: none, starttls, tls.",
        ),
        (
            {"SMTP_SECURITY": "none"},
            "PREANNOTATE_SMTP_…: login of the mail server: without encryption everybody on the way could read it; "
            "expected starttls or tls. Choose one, or leave user and password out.",
        ),
        (
            {"SMTP_HOST": "http://mail"},
            "PREANNOTATE_SMTP_…: host of the mail server: 'http://mail'; expected a name, as in mail.example.org.",
        ),
        (
            {"SMTP_PASSWORD": ""},
            "PREANNOTATE_SMTP_…: login of the mail server: a user without a password; expected both or none.",
        ),
        (
            {"SMTP_USER": ""},
            "PREANNOTATE_SMTP_…: login of the mail server: a password without a user; expected both or none.",
        ),
        (
            {"SMTP_PASSWORD": "größer"},
            "PREANNOTATE_SMTP_…: login of the mail server: letters that are not ASCII; expected ASCII alone.",
        ),
        (
            {"SMTP_SENDER": ""},
            "PREANNOTATE_SMTP_…: sender: ''; expected an address, as in ann@example.org or Ann <ann@example.org>.",
        ),
        ({"SMTP_RECIPIENTS": " , "}, "PREANNOTATE_SMTP_…: recipients: none; expected at least one address."),
        (
            {"SMTP_RECIPIENTS": "bob"},
            "PREANNOTATE_SMTP_…: recipients: 'bob'; expected an address, as in ann@example.org or "
            "Ann <ann@example.org>.",
        ),
        ({"SMTP_HOST": ""}, "PREANNOTATE_SMTP_HOST: not set, but PREANNOTATE_SMTP_USER is; expected both or none."),
        (
            {"WEBHOOK_URL": ""},
            "PREANNOTATE_WEBHOOK_URL: not set, but PREANNOTATE_WEBHOOK_SECRET is; expected both or none.",
        ),
        (
            {"WEBHOOK_URL": "ftp://battery"},
            "PREANNOTATE_WEBHOOK_URL: webhook: not a URL; expected one, as in https://chat.example.org/hooks/abc.",
        ),
        (
            {"WEBHOOK_URL": "https://a:battery@chat.example.org"},
            "PREANNOTATE_WEBHOOK_URL: webhook: a URL with a login in it; expected one without. Use a secret instead.",
        ),
    ],
)
def test_each_wrong_value_is_one_sentence(change, said):
    with pytest.raises(NotifyError) as error:
        NotifySettings.from_environment(MAIL | HOOK | {f"PREANNOTATE_{name}": value for name, value in change.items()})

    assert str(error.value) == said


def test_nothing_is_set():
    with pytest.raises(NotifyError) as error:
        NotifySettings.from_environment({})

    assert str(error.value) == (
        "--notify: no recipient; expected PREANNOTATE_SMTP_HOST or PREANNOTATE_WEBHOOK_URL in the environment. "
        "Run `preannotate notify` to see all settings."
    )


@pytest.mark.parametrize(
    "address",
    [
        "=?utf-8?q?a=0Ab?= <ann@example.org>",
        "",
        "ann",
        "ann@",
        "@example.org",
        "ann@example.org\nBcc: x@example.org",
        "a b@example.org",
        "ann@example.org, b@c.de",
    ],
)
def test_what_is_no_address(address):
    with pytest.raises(NotifyError, match="expected an address"):
        SmtpSettings("mail", 25, "none", "", "", address, ("bob@example.org",))


def test_addresses_are_divided_at_commas_and_lines():
    assert split_addresses('a@b.c; "D, E" <d@e.f>\n g@h.i,') == ("a@b.c", '"D, E" <d@e.f>', "g@h.i")
