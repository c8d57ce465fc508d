"""Real mail servers and a real receiver of webhooks on loopback, and a certificate of 127.0.0.1."""

import contextlib
import ssl

import pytest

pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed")

from support import notification_servers as servers


@pytest.fixture(autouse=True)
def nothing_of_this_machine(no_proxies, monkeypatch):
    from preannotate.notifications.settings import VARIABLES

    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def context(certificate):
    key, pem = certificate
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pem, key)
    return made


@pytest.fixture
def trusted(certificate, monkeypatch):
    """This machine knows the certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))


@pytest.fixture
def mail_server():
    """Start mail servers that stop with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(servers.mail_server(**options))


@pytest.fixture
def receiver():
    with servers.receiver() as found:
        yield found
