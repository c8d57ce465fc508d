"""Settings of the studio: notifications, simultaneous runs, its URL, Kubernetes."""

import os
from dataclasses import asdict
from pathlib import Path

from preannotate.core.http import AddressError, server_url
from preannotate.jobs.database import Database
from preannotate.jobs.queue import SIMULTANEOUS
from preannotate.notifications.settings import NotifySettings, SmtpSettings, WebhookSettings
from preannotate.studio.errors import StudioError
from preannotate.studio.secrets import SecretStore

MOST_SIMULTANEOUS = 16
KUBERNETES_VARIABLE = "PREANNOTATE_KUBERNETES"
# Names in the SecretStore; the address of a webhook often is a secret itself.
_PASSWORD, _URL, _SECRET = "smtp-password", "webhook-url", "webhook-secret"


class Settings:
    """Settings of the studio on a workspace; secrets among them are in the `SecretStore`."""

    def __init__(self, database: Database, secrets: SecretStore, workspace: Path) -> None:
        self._database, self._secrets, self.workspace = database, secrets, workspace

    @property
    def simultaneous(self) -> int:
        """Number of simultaneous runs; 1 by default."""
        return int(self._database.setting(SIMULTANEOUS, 1))

    def set_simultaneous(self, value: int) -> None:
        """Change the number, from the next run on; StudioError if it is not in [1, 16]."""
        if not 1 <= value <= MOST_SIMULTANEOUS:
            raise StudioError(f"runs at a time: {value}; expected a whole number from 1 to {MOST_SIMULTANEOUS}.")
        self._database.set_setting(SIMULTANEOUS, value)

    @property
    def link_base(self) -> str:
        """URL of the studio for links in messages, without a final slash; "" if it is not set."""
        return self._database.setting("link_base", "")

    def set_link_base(self, url: str) -> None:
        """Change the URL; "" removes it, and StudioError is raised for what is not a URL."""
        try:
            self._database.set_setting("link_base", server_url("address of the studio", url) if url.strip() else "")
        except AddressError as error:
            raise StudioError(str(error)) from error

    @property
    def kubernetes(self) -> str | None:
        """The value of `run --kubernetes` for trainings on a cluster, from the environment; None if it is not set."""
        return os.environ.get(KUBERNETES_VARIABLE, "").strip() or None

    @property
    def can_notify(self) -> bool:
        """Whether e-mail or a webhook is set up."""
        settings = self.notifications()
        return settings.smtp is not None or settings.webhook is not None

    def notifications(self) -> NotifySettings:
        """Return e-mail and webhook with their secrets, None if not set; StudioError if others could have read them."""
        smtp, webhook = self._database.setting("smtp", None), self._secrets.get(_URL)
        return NotifySettings(
            SmtpSettings(**smtp, password=self._secrets.get(_PASSWORD)) if smtp else None,
            WebhookSettings(webhook, self._secrets.get(_SECRET)) if webhook else None,
        )

    def set_notifications(self, settings: NotifySettings) -> None:
        """Change them; a part that is None is turned off, and its secrets are removed."""
        smtp, webhook = settings.smtp, settings.webhook
        self._secrets.set(_PASSWORD, smtp.password if smtp else "")
        self._secrets.set(_URL, webhook.url if webhook else "")
        self._secrets.set(_SECRET, webhook.secret if webhook else "")
        kept = {name: value for name, value in asdict(smtp).items() if name != "password"} if smtp else None
        self._database.set_setting("smtp", kept)
