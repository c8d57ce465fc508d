"""The mail itself: read again by Python's own parser, as a mail program would."""

import io

import pytest
from PIL import Image

from preannotate.notifications.mail import clean, compose_mail, one_line, small_picture
from preannotate.notifications.message import Message
from preannotate.notifications.settings import SmtpSettings

SETTINGS = SmtpSettings(
    "mail.example.org", 587, "starttls", "", "", "Prü Annotate <ann@example.org>", ("bob@example.org",)
)
NASTY = "boards\r\nBcc: everybody@example.org\r\n\r\n<script>alert(1)</script>"


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "found.png"
    Image.new("RGBA", (2000, 1000), (200, 30, 30, 255)).save(path)
    return path


def read(mail):
    """As bytes on the wire, and back."""
    from email import message_from_bytes
    from email.policy import default

    return message_from_bytes(bytes(mail), policy=default)


def test_a_mail_has_all_headers_that_a_mail_needs():
    mail = read(compose_mail(SETTINGS, Message("boards: version 3 is ready", "It is published.")))

    assert mail["Subject"] == "boards: version 3 is ready"
    assert mail["From"].addresses[0].display_name == "Prü Annotate"
    assert mail["From"].addresses[0].addr_spec == "ann@example.org"
    assert mail["To"] == "bob@example.org"
    assert mail["Date"].datetime.tzinfo is not None
    assert mail["Message-ID"].endswith("@example.org>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert mail.defects == []


def test_the_plain_text_has_the_facts_and_the_link():
    message = Message(
        "t", "It is published.", "https://studio.example.org/m/boards", {"mAP50": "0.93", "labels": "a, b"}
    )

    body = read(compose_mail(SETTINGS, message)).get_body(("plain",)).get_content().replace("\r\n", "\n")

    assert body == "It is published.\n\nmAP50: 0.93\nlabels: a, b\n\nhttps://studio.example.org/m/boards\n"


def test_the_picture_stands_in_the_html_and_is_small(picture):
    mail = read(compose_mail(SETTINGS, Message("t", "x", picture=picture)))

    html = mail.get_body(("html",)).get_content()
    (image,) = [part for part in mail.walk() if part.get_content_type() == "image/jpeg"]
    assert f'src="cid:{image["Content-ID"][1:-1]}"' in html
    assert image["Content-Disposition"].startswith("inline")
    assert Image.open(io.BytesIO(image.get_content())).size == (960, 480)


def test_a_picture_that_is_missing_or_broken_is_left_out(tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no image")

    assert small_picture(broken) == small_picture(tmp_path / "missing.jpg") == b""
    assert "<img" not in str(compose_mail(SETTINGS, Message("t", "x", picture=broken)))


@pytest.mark.parametrize("name", ["Gabelstapler groß", "フォークリフト", "رافعة", "🚜 трактор", "a" * 900])
def test_names_of_any_script_arrive(name):
    mail = read(compose_mail(SETTINGS, Message(f"{name}: ready", f"{name}.", facts={"labels": name})))

    assert mail["Subject"] == f"{name}: ready"[:200]
    assert f"labels: {name}" in mail.get_body(("plain",)).get_content()
    assert name in mail.get_body(("html",)).get_content()
    assert all(len(line) <= 998 for line in bytes(compose_mail(SETTINGS, Message(name, name))).splitlines())


def test_no_name_adds_a_header_or_an_element():
    mail = read(compose_mail(SETTINGS, Message(NASTY, NASTY, NASTY, {NASTY: NASTY})))

    assert mail["Bcc"] is None
    assert mail["Subject"] == "boards Bcc: everybody@example.org <script>alert(1)</script>"
    assert "<script" not in mail.get_body(("html",)).get_content()


def test_a_link_that_is_none_is_not_clickable():
    html = read(compose_mail(SETTINGS, Message("t", "x", 'javascript:alert("x")'))).get_body(("html",)).get_content()

    assert "<a " not in html
    assert "javascript:alert(&quot;x&quot;)" in html


def test_half_a_surrogate_pair_is_replaced():
    assert one_line("a\ud800b\x07\tc") == "a?b c"
    assert clean("a\r\nb\x00c\n\nd") == "a\nb c\n\nd"
    compose_mail(SETTINGS, Message("a\ud800", "a\ud800", facts={"\ud800": "\ud800"}))
