"""The mail itself: read again by Python's own parser, as a mail program would."""

import contextlib
import io
import socket
import threading
from email import message_from_bytes
from email.header import decode_header

import pytest
from PIL import Image
from support.notification_servers import PASSWORD, USER

from preannotate.notifications import mail as module
from preannotate.notifications.delivery import deliver
from preannotate.notifications.mail import clean, compose_mail, one_line, small_picture
from preannotate.notifications.message import Message
from preannotate.notifications.settings import NotifySettings, SmtpSettings

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


@pytest.mark.parametrize(
    "title",
    [
        "=?utf-8?q?a=0Ab?=",
        "=?utf-8?Q?a=0D=0ABcc:_eve@evil.org?=",
        "=?utf-8?b?YQ0KQmNjOiBldmVAZXZpbC5vcmc=?=",
        "=?x=?utf-8?q?=0A?=",
        "=?utf-8?q?=3D=3Futf-8=3Fq=3F=0A=3F=3D?=",
        "é =?utf-8?q?=0D=0A?= " + "long " * 30,
        "a\r\nBcc: eve@evil.org",
        "a\x0bBcc: eve@evil.org\x85\u2028b",
    ],
)
def test_no_title_decodes_to_line_ends(title):
    mail = message_from_bytes(compose_mail(SETTINGS, Message(title, "text")).as_bytes())

    assert set(mail.keys()) == set(compose_mail(SETTINGS, Message("t", "text")).keys())
    subject = "".join(
        part.decode(encoding or "ascii", "replace") if isinstance(part, bytes) else part
        for part, encoding in decode_header(mail["Subject"].replace("\r\n ", " ").replace("\n ", " "))
    )
    assert subject.isprintable()


def test_a_link_that_is_none_is_not_clickable():
    html = read(compose_mail(SETTINGS, Message("t", "x", 'javascript:alert("x")'))).get_body(("html",)).get_content()

    assert "<a " not in html
    assert "javascript:alert(&quot;x&quot;)" in html


def test_half_a_surrogate_pair_is_replaced():
    assert one_line("a\ud800b\x07\tc") == "a?b c"
    assert clean("a\r\nb\x00c\n\nd") == "a\nb c\n\nd"
    compose_mail(SETTINGS, Message("a\ud800", "a\ud800", facts={"\ud800": "\ud800"}))


MESSAGE = Message("boards: version 3 is ready, mAP50 0.93", "It is published.", facts={"labels": "größer"})
TO = ("bob@example.org", "Cem <cem@example.org>")


def tell(port, security="none", *, user="", password="", host="127.0.0.1", recipients=TO):
    settings = SmtpSettings(host, port, security, user, password, "ann@example.org", recipients)
    return deliver(NotifySettings(settings, None), MESSAGE)


def test_without_encryption_and_login(mail_server):
    server = mail_server()

    assert tell(server.port) == []
    assert server.recipients == [["bob@example.org", "cem@example.org"]]
    assert server.mails[0]["Subject"] == MESSAGE.title
    assert "labels: größer" in server.mails[0].get_body(("plain",)).get_content()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_with_encryption_and_login(mail_server, context, trusted, security):
    options = {"tls_context": context, "require_starttls": True} if security == "starttls" else {"ssl_context": context}
    server = mail_server(login=True, auth_require_tls=security == "starttls", **options)

    assert tell(server.port, security, user=USER, password=PASSWORD) == []
    assert len(server.mails) == 1


def test_a_login_that_is_not_accepted_and_that_the_server_repeats(mail_server, context, trusted):
    server = mail_server(login=True, tls_context=context)

    assert tell(server.port, "starttls", user=USER, password="wrong horse") == [
        f"mail server 127.0.0.1:{server.port}: 535 for user 'ann', the login is rejected; expected a valid login. "
        f"Check user and password; some services need a password made for programs."
    ]
    assert server.mails == []


def test_a_server_that_takes_no_login(mail_server):
    server = mail_server()

    assert tell(server.port, user=USER, password=PASSWORD) == [
        f"mail server 127.0.0.1:{server.port}: accepts no login; expected one for user 'ann'. Leave user and password "
        f"out, or check port and security."
    ]


def test_a_server_that_wants_a_login(mail_server, context, trusted):
    server = mail_server(login=True, tls_context=context)

    assert tell(server.port, "starttls") == [
        f"mail server 127.0.0.1:{server.port}: 530 for the sender 'ann@example.org' (5.7.0 Authentication required); "
        f"expected an accepted sender. Many servers let users send from their own address only, or only with a login."
    ]


def test_a_certificate_that_nobody_signed(mail_server, context):
    server = mail_server(tls_context=context)

    assert tell(server.port, "starttls") == [
        f"mail server 127.0.0.1:{server.port}: its certificate is not trusted (self-signed certificate); expected "
        f"one that this machine trusts. Set SSL_CERT_FILE to its authority's."
    ]
    assert server.mails == []


def test_a_certificate_of_another_host(mail_server, context, trusted):
    server = mail_server(tls_context=context)

    (said,) = tell(server.port, "starttls", host="localhost")

    assert said == (
        f"mail server localhost:{server.port}: its certificate is not trusted (Hostname mismatch, certificate is not "
        f"valid for 'localhost'.); expected one that this machine trusts. Set SSL_CERT_FILE to its authority's."
    )


def test_tls_is_not_offered_and_nothing_is_sent(mail_server):
    server = mail_server()

    assert tell(server.port, "starttls") == [
        f"mail server 127.0.0.1:{server.port}: offers no STARTTLS; expected it, for nothing is sent unencrypted. "
        f"Choose tls (usually port 465), or none if the network is yours alone."
    ]
    assert server.mails == []


def test_tls_from_the_first_byte_to_a_server_without(mail_server):
    server = mail_server()

    assert tell(server.port, "tls") == [
        f"mail server 127.0.0.1:{server.port}: no TLS; expected it. Check the port, or choose starttls."
    ]


def test_one_recipient_is_refused_and_the_other_gets_it(mail_server):
    server = mail_server()
    server.unknown = {"cem@example.org"}

    assert tell(server.port) == [
        f"mail server 127.0.0.1:{server.port}: 550 for the recipient 'cem@example.org' (no such user here); "
        f"expected an accepted recipient. Check the address."
    ]
    assert server.recipients == [["bob@example.org"]]


def test_all_recipients_are_refused(mail_server):
    server = mail_server()
    server.unknown = {"bob@example.org", "cem@example.org"}

    (said,) = tell(server.port)

    where = f"mail server 127.0.0.1:{server.port}: 550 for the recipient"
    assert said == " ".join(
        f"{where} '{one}@example.org' (no such user here); expected an accepted recipient. Check the address."
        for one in ("bob", "cem")
    )


def test_the_sender_is_refused(mail_server):
    server = mail_server()
    server.sender_answer = "553 not yours"

    assert tell(server.port) == [
        f"mail server 127.0.0.1:{server.port}: 553 for the sender 'ann@example.org' (not yours); expected an "
        f"accepted sender. Many servers let users send from their own address only, or only with a login."
    ]


def test_the_message_is_refused(mail_server):
    server = mail_server()
    server.answer = "552 too large\r\nreally"

    (said,) = tell(server.port)

    assert said.startswith(f"mail server 127.0.0.1:{server.port}: 552 for the message (too large")
    assert "\n" not in said


def test_refused():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

        assert tell(port) == [
            f"mail server 127.0.0.1:{port}: no connection (connection refused); expected a mail server. Check host"
            f" and port."
        ]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example.org"])
def test_an_unknown_host(host):
    assert tell(25, host=host) == [f"mail server {host}:25: host not found; expected a mail server. Check its name."]


@contextlib.contextmanager
def said_at_once(greeting, *, stays):
    """A server that says one thing and hangs up, or nothing more."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            with connection:
                connection.sendall(greeting)
                if stays:
                    done.wait(5)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            done.set()
            thread.join()


def test_time_out(monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    with said_at_once(b"", stays=True) as port:
        assert tell(port) == [
            f"mail server 127.0.0.1:{port}: no response within 0.2 s; expected one. Check host, port and firewall;"
            f" port 465 needs tls, 587 starttls."
        ]


def test_a_server_that_hangs_up():
    with said_at_once(b"", stays=False) as port:
        assert tell(port) == [
            f"mail server 127.0.0.1:{port}: the connection broke off; expected a complete session. Check the "
            f"server's log; it may need starttls or tls."
        ]


def test_something_that_is_no_mail_server():
    with said_at_once(b"554 go away\r\n", stays=False) as port:
        assert tell(port) == [
            f"mail server 127.0.0.1:{port}: answers 554 (go away); expected a mail server that is ready."
        ]
