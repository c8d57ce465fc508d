"""What the studio keeps between restarts: notifications, runs at a time, its own address, Kubernetes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from preannotate.notify import NotifySettings


@dataclass(frozen=True)
class Kubernetes:
    """Where a training on Kubernetes would run.

    Attributes:
        context: Of kubectl.
        namespace: In it.
        claim: Persistent volume claim that this machine and the cluster's both see.
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

    @property
    def simultaneous(self) -> int:
        """Runs at a time; 1 unless somebody said otherwise."""
        raise NotImplementedError

    def set_simultaneous(self, value: int) -> None:
        """Change it, from the next run on.

        Raises:
            StudioError: Not in [1, 16].
        """
        raise NotImplementedError

    @property
    def link_base(self) -> str:
        """Address of the studio for links in messages, without a slash at its end; "" if nobody said."""
        raise NotImplementedError

    def set_link_base(self, url: str) -> None:
        """Change it; "" for none.

        Raises:
            StudioError: Not an address that begins with http:// or https://.
        """
        raise NotImplementedError

    def notifications(self) -> "NotifySettings":
        """E-mail and webhook, with their secrets."""
        raise NotImplementedError

    def set_notifications(self, settings: "NotifySettings", *, keep_secrets: bool = True) -> None:
        """Change them.

        Args:
            settings: A part that is None switches that way off, and its secret is forgotten.
            keep_secrets: An empty password or secret means the saved one, as a form that never shows it sends it.
        """
        raise NotImplementedError
