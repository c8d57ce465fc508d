"""The e-mail of a message: plain text, and the same as HTML with a table and the picture in it.

Headers are written by the standard library from values without line ends, so that no name in CVAT or of a model can
add one. The picture is part of the mail, so it is scaled down: mail servers limit the size.
"""

import datetime
import io
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from html import escape
from pathlib import Path

from PIL import Image, ImageOps

from preannotate.notifications.message import Message, clean, one_line
from preannotate.notifications.settings import SmtpSettings, mailbox

MAX_SUBJECT_LENGTH = 200
MAX_PICTURE_SIZE = (960, 960)
# 7 bit: an old server between here and there changes nothing.
_POLICY = SMTP.clone(cte_type="7bit")


def compose_mail(settings: SmtpSettings, message: Message) -> EmailMessage:
    """Return the e-mail of a message."""
    sender = mailbox("sender", settings.sender)
    mail = EmailMessage(policy=_POLICY)
    mail["Subject"] = one_line(message.title)[:MAX_SUBJECT_LENGTH] or "Preannotate"
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
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file).convert("RGB")
        image.thumbnail(MAX_PICTURE_SIZE)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=85)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow's for broken files
        return b""
    return stream.getvalue()


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
