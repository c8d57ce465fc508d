"""Recipients of messages: from the studio, or for the command line from the environment variables in `VARIABLES`.

No error shows a password, a secret or the path of the webhook, which often is one.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import getaddresses
from urllib.parse import urlsplit

from preannotate.core.http import LOOPBACK_NAMES, is_http_url
from preannotate.notifications.message import NotifyError

STARTTLS, TLS, NONE = "starttls", "tls", "none"
PORTS = {STARTTLS: 587, TLS: 465, NONE: 25}
# name: meaning
VARIABLES = {
    "PREANNOTATE_SMTP_HOST": "mail server; without it no e-mail is sent",
    "PREANNOTATE_SMTP_PORT": "default: 587 for starttls, 465 for tls, 25 for none",
    "PREANNOTATE_SMTP_SECURITY": "starttls (default), tls, or none",
    "PREANNOTATE_SMTP_USER": "user, if the server needs a login",
    "PREANNOTATE_SMTP_PASSWORD": "password of that user",
    "PREANNOTATE_SMTP_SENDER": "address of the sender: ann@example.org, or Ann <ann@example.org>",
    "PREANNOTATE_SMTP_RECIPIENTS": "addresses of the recipients, separated by commas",
    "PREANNOTATE_WEBHOOK_URL": "receives each message as JSON; without it nothing is posted",
    "PREANNOTATE_WEBHOOK_SECRET": "signs the JSON, as CVAT signs its webhooks",
}
# What no child process needs to know.
SECRETS = ("PREANNOTATE_SMTP_PASSWORD", "PREANNOTATE_WEBHOOK_SECRET", "PREANNOTATE_WEBHOOK_URL")
_NOTHING_CONFIGURED = (
    "--notify: no recipient; expected PREANNOTATE_SMTP_HOST or PREANNOTATE_WEBHOOK_URL in the environment. "
    "Run `preannotate notify` to see all settings."
)


@dataclass(frozen=True)
class SmtpSettings:
    """A mail server, and who gets mail.

    Attributes:
        port: Usually `PORTS[security]`.
        security: "starttls", "tls" (from the first byte) or "none".
        user: "" for a server without login.
        sender: Address, or "Name <address>".
        recipients: The same, at least one.
    """

    host: str
    port: int
    security: str
    user: str
    password: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raise a NotifyError that names the setting if one is wrong."""
        object.__setattr__(self, "recipients", tuple(self.recipients))
        _check_host(self.host)
        if not 1 <= self.port <= 65535:
            raise NotifyError(f"port of the mail server: {self.port}; expected a number from 1 to 65535.")
        if self.security not in PORTS:
            raise NotifyError(
                f"security of the mail server: {self.security!r}; expected one of: {', '.join(sorted(PORTS))}."
            )
        if bool(self.user) != bool(self.password):
            there, missing = ("user", "password") if self.user else ("password", "user")
            raise NotifyError(f"login of the mail server: a {there} without a {missing}; expected both or none.")
        if self.user and self.security == NONE and self.host not in LOOPBACK_NAMES:
            raise NotifyError(
                "login of the mail server: without encryption everybody on the way could read it; expected starttls or "
                "tls. Choose one, or leave user and password out."
            )
        if not (self.user + self.password).isascii() or not (self.user + self.password).isprintable():
            # Python's smtplib sends no others.
            raise NotifyError("login of the mail server: letters that are not ASCII; expected ASCII alone.")
        mailbox("sender", self.sender)
        if not self.recipients:
            raise NotifyError("recipients: none; expected at least one address.")
        for recipient in self.recipients:
            mailbox("recipients", recipient)


@dataclass(frozen=True)
class WebhookSettings:
    """Who gets messages as JSON.

    Attributes:
        url: Of http or https; many services put a secret into its path, so it is not shown.
        secret: Signs the body; "" leaves the signature out.
    """

    url: str = field(repr=False)
    secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Raise a NotifyError if the URL is none, or contains a login."""
        if not is_http_url(self.url) or not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise NotifyError("webhook: not a URL; expected one, as in https://chat.example.org/hooks/abc.")
        if "@" in urlsplit(self.url).netloc:
            raise NotifyError("webhook: a URL with a login in it; expected one without. Use a secret instead.")

    @property
    def host(self) -> str:
        """What may be shown of it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class NotifySettings:
    """Where notifications go; None leaves a way out."""

    smtp: SmtpSettings | None = None
    webhook: WebhookSettings | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "NotifySettings":
        """Read `VARIABLES`; raises NotifyError if one of them is wrong, or none is set."""
        environment = os.environ if environment is None else environment
        given = {name: value for name in VARIABLES if (value := environment.get(name, "").strip())}
        smtp = _smtp(given) if _is_configured(given, "PREANNOTATE_SMTP_HOST", "PREANNOTATE_SMTP_") else None
        webhook = _webhook(given) if _is_configured(given, "PREANNOTATE_WEBHOOK_URL", "PREANNOTATE_WEBHOOK_") else None
        if smtp is None and webhook is None:
            raise NotifyError(_NOTHING_CONFIGURED)
        return cls(smtp, webhook)


def mailbox(what: str, text: str) -> Address:
    """Return name and address from "address" or "Name <address>"; `what` is the setting, for messages.

    Raises:
        NotifyError: It is not exactly one address.
    """
    found = getaddresses([text]) if text.isprintable() and "=?" not in text else []  # "=?": an encoded word
    name, spec = found[0] if len(found) == 1 else ("", "")
    local, _, domain = spec.rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii") if domain else ""
        if local and domain and local.isascii() and not set(" \t,;<>") & set(spec):
            return Address(name, local, domain)
    except (UnicodeError, ValueError, MessageError, IndexError):
        pass
    raise NotifyError(f"{what}: {text!r}; expected an address, as in ann@example.org or Ann <ann@example.org>.")


def split_addresses(text: str) -> tuple[str, ...]:
    """Addresses with commas, semicolons or line ends between them; a comma within quotes belongs to a name."""
    parts, quoted, part = [], False, ""
    for letter in text:
        quoted ^= letter == '"'
        if letter in ",;\n" and not quoted:
            parts.append(part)
            part = ""
        else:
            part += letter
    return tuple(filter(None, (one.strip() for one in [*parts, part])))


def _is_configured(given: Mapping[str, str], first: str, prefix: str) -> bool:
    """Return whether the first variable is set, without which the others have no effect."""
    others = [name for name in given if name.startswith(prefix)]
    if others and first not in given:
        raise NotifyError(f"{first}: not set, but {others[0]} is; expected both or none.")
    return first in given


def _smtp(given: Mapping[str, str]) -> SmtpSettings:
    security = given.get("PREANNOTATE_SMTP_SECURITY", STARTTLS)
    port = given.get("PREANNOTATE_SMTP_PORT", str(PORTS.get(security, 25)))
    if not (port.isascii() and port.isdecimal()):
        raise NotifyError(f"PREANNOTATE_SMTP_PORT: {port!r}; expected a number from 1 to 65535.")
    with _named("PREANNOTATE_SMTP_…"):
        return SmtpSettings(
            host=given["PREANNOTATE_SMTP_HOST"],
            port=int(port),
            security=security,
            user=given.get("PREANNOTATE_SMTP_USER", ""),
            password=given.get("PREANNOTATE_SMTP_PASSWORD", ""),
            sender=given.get("PREANNOTATE_SMTP_SENDER", ""),
            recipients=split_addresses(given.get("PREANNOTATE_SMTP_RECIPIENTS", "")),
        )


def _webhook(given: Mapping[str, str]) -> WebhookSettings:
    with _named("PREANNOTATE_WEBHOOK_URL"):
        return WebhookSettings(given["PREANNOTATE_WEBHOOK_URL"], given.get("PREANNOTATE_WEBHOOK_SECRET", ""))


@contextlib.contextmanager
def _named(where: str) -> Iterator[None]:
    """Put the variable in front of errors about its value."""
    try:
        yield
    except NotifyError as error:
        raise NotifyError(f"{where}: {error}") from error


def _check_host(host: str) -> None:
    if not host or not host.isascii() or not host.isprintable() or set(" /@") & set(host):
        raise NotifyError(f"host of the mail server: {host!r}; expected a name, as in mail.example.org.")
