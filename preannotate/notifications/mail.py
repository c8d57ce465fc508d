"""The e-mail of a message: plain text, and the same as HTML with a table and the picture in it.

Headers are written by the standard library from values without line ends and without encoded words, so that no name in
CVAT or of a model can add one. The picture is part of the mail, so it is scaled down: mail servers limit the size.
"""

import contextlib
import datetime
import io
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from html import escape
from pathlib import Path

from preannotate.core.http import Failure, no_response
from preannotate.notifications.message import Message, NotifyError, clean, one_line
from preannotate.notifications.settings import NONE, STARTTLS, TLS, SmtpSettings, mailbox
from runtime.errors import ImageError
from runtime.image import decode
from runtime.image_file import read_image_file

MAX_SUBJECT_LENGTH = 200
MAX_PICTURE_SIZE = (960, 960)
# 7 bit: an old server between here and there changes nothing.
_POLICY = SMTP.clone(cte_type="7bit")


def compose_mail(settings: SmtpSettings, message: Message) -> EmailMessage:
    """Return the e-mail of a message."""
    sender = mailbox("sender", settings.sender)
    mail = EmailMessage(policy=_POLICY)
    mail["Subject"] = _without_encoded_words(one_line(message.title))[:MAX_SUBJECT_LENGTH] or "Preannotate"
    mail["From"] = sender
    mail["To"] = _addresses(settings.recipients)
    mail["Date"] = format_datetime(datetime.datetime.now(datetime.UTC))
    mail["Message-ID"] = make_msgid(domain=sender.domain)
    # RFC 3834: no automatic replies.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(clean(message.plain()) + "\n")
    picture = small_picture(message.picture)
    identity = make_msgid("picture", domain=sender.domain)
    mail.add_alternative(_html(message, identity[1:-1] if picture else ""), subtype="html")
    if picture:
        html = next(part for part in mail.iter_parts() if part.get_content_type() == "text/html")
        html.add_related(picture, "image", "jpeg", cid=identity, disposition="inline", filename="picture.jpg")
    return mail


def small_picture(path: Path | None) -> bytes:
    """Return an image file as a JPEG that is small enough for a mail; empty if it cannot be read."""
    if path is None:
        return b""
    try:
        image = decode(read_image_file(path), MAX_PICTURE_SIZE).pixels
        image.thumbnail(MAX_PICTURE_SIZE)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=85)
    except (OSError, ImageError):
        return b""
    return stream.getvalue()


def _without_encoded_words(text: str) -> str:
    """Return text in which nothing looks like an encoded word of RFC 2047, which may decode to line ends.

    Python's library, too, would decode it while it writes the header.
    """
    return text.replace("=?", "= ?")


def _addresses(texts: Sequence[str]) -> tuple[Address, ...]:
    return tuple(mailbox("recipients", text) for text in texts)


def _html(message: Message, identity: str) -> str:
    """Styles stand in the elements: many mail programs read no others."""
    font = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif"
    colour = "#b42318" if message.failed else "#1a1a1a"
    parts = [f'<h1 style="font-size:20px;margin:0 0 12px;color:{colour}">{escape(one_line(message.title))}</h1>']
    for paragraph in clean(message.text).strip().split("\n\n"):
        parts.append(f'<p style="margin:0 0 12px">{escape(paragraph).replace(chr(10), "<br>")}</p>')
    if message.facts:
        cell = "padding:4px 16px 4px 0;border-bottom:1px solid #e4e4e7;text-align:left;vertical-align:top"
        rows = "".join(
            f'<tr><th scope="row" style="{cell};font-weight:normal;color:#52525b">{escape(one_line(name))}</th>'
            f'<td style="{cell}">{escape(one_line(value))}</td></tr>'
            for name, value in message.facts.items()
        )
        parts.append(f'<table style="border-collapse:collapse;margin:0 0 16px;{font};font-size:15px">{rows}</table>')
    if identity:
        parts.append(
            f'<p><img src="cid:{identity}" alt="What the model found on a validation image" '
            f'style="max-width:100%;height:auto;border-radius:4px"></p>'
        )
    if message.link:
        shown = escape(one_line(message.link))
        linked = message.link.startswith(("https://", "http://"))
        parts.append(f'<p><a href="{shown}">{shown}</a></p>' if linked else f"<p>{shown}</p>")
    body = "".join(parts)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"></head>'
        f'<body style="{font};font-size:15px;line-height:1.45;color:#1a1a1a;max-width:640px">{body}</body></html>'
    )


# Of each step.
TIMEOUT_SECONDS = 20.0
_MOST_LETTERS = 200


def send_mail(settings: SmtpSettings, mail: EmailMessage) -> list[str]:
    """Give a mail to the server.

    Returns:
        A sentence for each recipient that the server did not take while it took others.

    Raises:
        NotifyError: Nobody gets the mail.
    """
    where = f"mail server {settings.host}:{settings.port}"
    recipients = [mailbox("recipients", recipient).addr_spec for recipient in settings.recipients]
    with _explaining_errors(where, settings), _connected(settings) as server:
        server.ehlo_or_helo_if_needed()
        if settings.security == STARTTLS:
            if not server.has_extn("starttls"):
                raise NotifyError(
                    f"{where}: offers no STARTTLS; expected it, for nothing is sent unencrypted. Choose tls (usually "
                    f"port 465), or none if the network is yours alone."
                )
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        if settings.user:
            if not server.has_extn("auth"):
                raise NotifyError(
                    f"{where}: accepts no login; expected one for user {settings.user!r}. Leave user and password "
                    f"out, or check port and security."
                )
            server.login(settings.user, settings.password)
        sender = mailbox("sender", settings.sender).addr_spec
        refused = server.send_message(mail, sender, recipients)
    return [_refused(where, address, *answer) for address, answer in refused.items()]


@contextlib.contextmanager
def _connected(settings: SmtpSettings) -> Iterator[smtplib.SMTP]:
    if settings.security == TLS:
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(settings.host, settings.port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT_SECONDS)
    try:
        yield server
        with contextlib.suppress(OSError):  # its answer to the goodbye does not matter any more
            server.quit()
    finally:
        server.close()


@contextlib.contextmanager
def _explaining_errors(where: str, settings: SmtpSettings) -> Iterator[None]:
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        raise NotifyError(
            f"{where}: {error.smtp_code} for user {settings.user!r}, the login is rejected; expected a valid login. "
            f"Check user and password; some services need a password made for programs."
        ) from error
    except smtplib.SMTPRecipientsRefused as error:
        raise NotifyError(
            " ".join(_refused(where, one, *answer) for one, answer in error.recipients.items())
        ) from error
    except smtplib.SMTPSenderRefused as error:
        raise NotifyError(
            f"{where}: {error.smtp_code} for the sender {settings.sender!r}{_reply(error.smtp_error)}; expected an "
            f"accepted sender. Many servers let users send from their own address only, or only with a login."
        ) from error
    except smtplib.SMTPDataError as error:
        raise NotifyError(
            f"{where}: {error.smtp_code} for the message{_reply(error.smtp_error)}; expected an accepted message."
        ) from error
    except smtplib.SMTPServerDisconnected as error:
        late = isinstance(error.__context__, TimeoutError)  # smtplib has no exception of its own for it
        raise NotifyError(_late(where) if late else _broken_off(where, settings)) from error
    except smtplib.SMTPResponseException as error:
        raise NotifyError(
            f"{where}: answers {error.smtp_code}{_reply(error.smtp_error)}; expected a mail server that is ready."
        ) from error
    except smtplib.SMTPException as error:
        raise NotifyError(
            f"{where}: no login method that both sides know; expected PLAIN, LOGIN or CRAM-MD5."
        ) from error
    except (OSError, UnicodeError) as error:
        raise NotifyError(_explain_connection(where, settings, error)) from error


def _explain_connection(where: str, settings: SmtpSettings, error: Exception) -> str:
    reason = no_response(error)
    match reason.failure:
        case Failure.CERTIFICATE:
            return f"{where}: {reason}; expected one that this machine trusts. Set SSL_CERT_FILE to its authority's."
        case Failure.NO_TLS:
            other = STARTTLS if settings.security == TLS else TLS
            return f"{where}: no TLS; expected it. Check the port, or choose {other}."
        case Failure.TIMED_OUT:
            return _late(where)
        case Failure.HOST_NOT_FOUND:
            return f"{where}: host not found; expected a mail server. Check its name."
        case Failure.BROKEN_OFF:
            return _broken_off(where, settings)
    return f"{where}: no connection ({reason}); expected a mail server. Check host and port."


def _late(where: str) -> str:
    return (
        f"{where}: no response within {TIMEOUT_SECONDS:g} s; expected one. Check host, port and firewall; port 465 "
        f"needs tls, 587 starttls."
    )


def _broken_off(where: str, settings: SmtpSettings) -> str:
    hint = "port 465 needs tls, 587 starttls" if settings.security != NONE else "it may need starttls or tls"
    return f"{where}: the connection broke off; expected a complete session. Check the server's log; {hint}."


def _refused(where: str, address: str, code: int, words: bytes | str) -> str:
    what = f"{where}: {code} for the recipient {address!r}{_reply(words)}"
    return f"{what}; expected an accepted recipient. Check the address."


def _reply(words: bytes | str) -> str:
    text = one_line(words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words))
    return f" ({text[:_MOST_LETTERS]})" if text else ""
