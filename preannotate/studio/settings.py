"""What the studio keeps between restarts: notifications, runs at a time, its own address, Kubernetes."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from preannotate.doctor.web import AddressError, address
from preannotate.notify import NotifySettings, SmtpSettings, WebhookSettings
from preannotate.studio.database import Database
from preannotate.studio.errors import StudioError
from preannotate.studio.secrets import SecretStore

MOST_SIMULTANEOUS = 16
# Names in the SecretStore; the address of a webhook often is a secret itself.
_PASSWORD, _URL, _SECRET = "smtp-password", "webhook-url", "webhook-secret"


@dataclass(frozen=True)
class Kubernetes:
    """Where a training on Kubernetes would run.

    Attributes:
        context: Of kubectl.
        namespace: In it.
        claim: Persistent volume claim, with a volume that this machine has, too.
        mount: Where that volume is on this machine; the workspace must be inside.
        image: Of the trainer.
    """

    context: str
    namespace: str
    claim: str
    mount: str
    image: str


class Settings:
    """Settings; secrets among them are in the `SecretStore`."""

    def __init__(self, database: Database, secrets: SecretStore) -> None:
        self._database, self._secrets = database, secrets

    @property
    def simultaneous(self) -> int:
        """Runs at a time; 1 unless somebody said otherwise."""
        return self._get("simultaneous", 1)

    def set_simultaneous(self, value: int) -> None:
        """Change it, from the next run on.

        Raises:
            StudioError: Not in [1, 16].
        """
        if not 1 <= value <= MOST_SIMULTANEOUS:
            raise StudioError(f"runs at a time: {value}; expected a whole number from 1 to {MOST_SIMULTANEOUS}.")
        self._set("simultaneous", value)

    @property
    def link_base(self) -> str:
        """Address of the studio for links in messages, without a slash at its end; "" if nobody said."""
        return self._get("link_base", "")

    def set_link_base(self, url: str) -> None:
        """Change it; "" for none.

        Raises:
            StudioError: No address.
        """
        try:
            self._set("link_base", address("address of the studio", url) if url.strip() else "")
        except AddressError as error:
            raise StudioError(str(error)) from error

    @property
    def kubernetes(self) -> Kubernetes | None:
        """Where a training on Kubernetes would run; None if nobody said."""
        found = self._get("kubernetes", None)
        return Kubernetes(**found) if found else None

    def set_kubernetes(self, where: Kubernetes | None) -> None:
        """Change it."""
        self._set("kubernetes", asdict(where) if where else None)

    def notifications(self) -> NotifySettings:
        """E-mail and webhook, with their secrets; a part that is not set is None.

        Raises:
            StudioError: The secrets lie where others could have read them.
        """
        smtp, webhook = self._get("smtp", None), self._secrets.get(_URL)
        return NotifySettings(
            SmtpSettings(**smtp, password=self._secrets.get(_PASSWORD)) if smtp else None,
            WebhookSettings(webhook, self._secrets.get(_SECRET)) if webhook else None,
        )

    def set_notifications(self, settings: NotifySettings) -> None:
        """Change them.

        Args:
            settings: All of it: a part that is None switches that way off, and its secrets are forgotten.
        """
        smtp, webhook = settings.smtp, settings.webhook
        self._secrets.set(_PASSWORD, smtp.password if smtp else "")
        self._secrets.set(_URL, webhook.url if webhook else "")
        self._secrets.set(_SECRET, webhook.secret if webhook else "")
        kept = {name: value for name, value in asdict(smtp).items() if name != "password"} if smtp else None
        self._set("smtp", kept)

    def _get(self, name: str, default: Any) -> Any:
        rows = self._database.rows("SELECT value FROM settings WHERE name = ?", (name,))
        return json.loads(rows[0]["value"]) if rows else default

    def _set(self, name: str, value: Any) -> None:
        self._database.change(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, json.dumps(value)),
        )
