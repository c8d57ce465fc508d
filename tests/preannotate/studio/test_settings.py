"""Settings: kept between restarts; their secrets are not in the database."""

import re

import pytest

from preannotate.notifications.settings import NotifySettings, SmtpSettings, WebhookSettings
from preannotate.studio.errors import StudioError
from preannotate.studio.services import Services

SMTP = SmtpSettings("mail.example.org", 587, "starttls", "ann", "geheim", "ann@example.org", ("bo@example.org",))
WEBHOOK = WebhookSettings("https://chat.example.org/hooks/abc123", "signing-secret")


def test_they_have_defaults(studio):
    settings = studio.settings

    assert (settings.simultaneous, settings.link_base, settings.kubernetes) == (1, "", None)
    assert settings.notifications() == NotifySettings()


def test_they_survive_a_restart_and_the_database_has_no_secret(studio, workspace):
    studio.settings.set_simultaneous(2)
    studio.settings.set_link_base("https://studio.example.org/")
    studio.settings.set_notifications(NotifySettings(SMTP, WEBHOOK))
    studio.close()
    again = Services(workspace)

    assert (again.settings.simultaneous, again.settings.link_base) == (2, "https://studio.example.org")
    assert again.settings.notifications() == NotifySettings(SMTP, WEBHOOK)
    again.close()
    written = b"".join(path.read_bytes() for path in workspace.path.glob("jobs.sqlite*"))
    assert not [secret for secret in (b"geheim", b"abc123", b"signing-secret") if secret in written]


def test_a_way_that_is_switched_off_leaves_no_secret(studio, workspace):
    studio.settings.set_notifications(NotifySettings(SMTP, WEBHOOK))
    studio.settings.set_notifications(NotifySettings(None, WebhookSettings(WEBHOOK.url)))
    assert studio.settings.notifications() == NotifySettings(None, WebhookSettings(WEBHOOK.url))
    studio.settings.set_notifications(NotifySettings())

    assert studio.settings.notifications() == NotifySettings()
    assert list((workspace.path / ".secrets").iterdir()) == []


@pytest.mark.parametrize("value", [0, 17])
def test_runs_at_a_time_have_limits(studio, value):
    sentence = f"runs at a time: {value}; expected a whole number from 1 to 16."
    with pytest.raises(StudioError, match=re.escape(sentence)):
        studio.settings.set_simultaneous(value)


def test_an_address_that_is_none(studio):
    sentence = (
        "address of the studio: 'javascript:alert(1)'; expected a URL, as in http://localhost:8080. "
        "Write it with http://."
    )
    with pytest.raises(StudioError, match=re.escape(sentence)):
        studio.settings.set_link_base("javascript:alert(1)")
    studio.settings.set_link_base("  ")
    assert studio.settings.link_base == ""


def test_a_cluster_from_the_environment(studio, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_KUBERNETES", "image=i,claim=c")
    assert studio.settings.kubernetes == "image=i,claim=c"
