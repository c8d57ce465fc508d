"""The e-mail of a message: plain text, and the same as HTML with a table and the picture in it.

Headers are written by the standard library from values without line ends, so nothing that CVAT or a model is called
can add one. The picture is made small: it stands in the mail itself, and mail servers count.
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

from preannotate.notifications.message import Message
from preannotate.notifications.settings import SmtpSettings, mailbox

LONGEST_SUBJECT = 200
LARGEST_PICTURE = (960, 960)
# 7 bit: an old server between here and there changes nothing.
_POLICY = SMTP.clone(cte_type="7bit")


def compose(settings: SmtpSettings, message: Message) -> EmailMessage:
    """A whole e-mail, ready to be sent."""
    sender = mailbox("sender", settings.sender)
    mail = EmailMessage(policy=_POLICY)
    mail["Subject"] = one_line(message.title)[:LONGEST_SUBJECT] or "Preannotate"
    mail["From"] = sender
    mail["To"] = _addresses(settings.recipients)
    mail["Date"] = format_datetime(datetime.datetime.now(datetime.UTC))
    mail["Message-ID"] = make_msgid(domain=sender.domain)
    # RFC 3834: nobody's holiday should answer.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(clean(message.plain()) + "\n")
    picture = small_picture(message.picture)
    identity = make_msgid("picture", domain=sender.domain)
    mail.add_alternative(_html(message, identity[1:-1] if picture else ""), subtype="html")
    if picture:
        mail.get_payload()[1].add_related(
            picture, "image", "jpeg", cid=identity, disposition="inline", filename="picture.jpg"
        )
    return mail


def one_line(text: str) -> str:
    """Text of any kind as one line without control characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in _valid(text)).split())


def clean(text: str) -> str:
    """Text of any kind with no control characters but line ends."""
    lines = _valid(text).replace("\r\n", "\n").split("\n")
    return "\n".join("".join(one if one.isprintable() or one == "\t" else " " for one in line) for line in lines)


def small_picture(path: Path | None) -> bytes:
    """A JPEG of an image file, not too large for a mail; empty if there is none that can be read."""
    if path is None:
        return b""
    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image).convert("RGB")
            image.thumbnail(LARGEST_PICTURE)
            stream = io.BytesIO()
            image.save(stream, "JPEG", quality=85)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # what Pillow says of broken files
        return b""
    return stream.getvalue()


def _addresses(texts: Sequence[str]) -> tuple[Address, ...]:
    return tuple(mailbox("recipients", text) for text in texts)


def _valid(text: str) -> str:
    """Without halves of surrogate pairs, which no encoding takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


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
