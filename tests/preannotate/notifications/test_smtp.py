"""Mail through a real server on loopback; each way in which it fails in one sentence, word for word."""

import contextlib
import socket
import threading

import pytest
from support.notification_servers import PASSWORD, USER

from preannotate.notifications import smtp as module
from preannotate.notifications.delivery import deliver
from preannotate.notifications.message import Message
from preannotate.notifications.settings import NotifySettings, SmtpSettings

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
