"""An e-mail to a mail server, and each way in which that fails in one sentence.

The server's own words are shown where they help, but not those about a login: some repeat what was sent.
"""

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from email.message import EmailMessage

from preannotate.notifications.errors import NotifyError
from preannotate.notifications.mail import one_line
from preannotate.notifications.settings import NONE, STARTTLS, TLS, SmtpSettings, mailbox

# Of each step.
SECONDS = 20.0
_MOST_LETTERS = 200


def send(settings: SmtpSettings, mail: EmailMessage) -> list[str]:
    """Give a mail to the server.

    Returns:
        A sentence for each recipient that the server did not take while it took others.

    Raises:
        NotifyError: Nobody gets the mail.
    """
    where = f"mail server {settings.host}:{settings.port}"
    recipients = [mailbox("recipients", recipient).addr_spec for recipient in settings.recipients]
    with _understood(where, settings), _connected(settings) as server:
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
                    f"{where}: takes no login; expected one for user {settings.user!r}. Leave user and password out, "
                    f"or look at port and security."
                )
            server.login(settings.user, settings.password)
        sender = mailbox("sender", settings.sender).addr_spec
        refused = server.send_message(mail, sender, recipients)
    return [_refused(where, address, *answer) for address, answer in refused.items()]


@contextlib.contextmanager
def _connected(settings: SmtpSettings) -> Iterator[smtplib.SMTP]:
    if settings.security == TLS:
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(settings.host, settings.port, timeout=SECONDS, context=context)
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=SECONDS)
    try:
        yield server
        with contextlib.suppress(OSError):  # what it says to a goodbye does not matter any more
            server.quit()
    finally:
        server.close()


@contextlib.contextmanager
def _understood(where: str, settings: SmtpSettings) -> Iterator[None]:
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        raise NotifyError(
            f"{where}: {error.smtp_code} for user {settings.user!r}, the login is not accepted; expected a valid one. "
            f"Look at user and password; some services want a password made for programs."
        ) from error
    except smtplib.SMTPRecipientsRefused as error:
        raise NotifyError(
            " ".join(_refused(where, one, *answer) for one, answer in error.recipients.items())
        ) from error
    except smtplib.SMTPSenderRefused as error:
        raise NotifyError(
            f"{where}: {error.smtp_code} for the sender {settings.sender!r}{_said(error.smtp_error)}; expected it to "
            f"be taken. Many servers let a user send from the own address only, or only with a login."
        ) from error
    except smtplib.SMTPDataError as error:
        raise NotifyError(
            f"{where}: {error.smtp_code} for the message{_said(error.smtp_error)}; expected it to be taken."
        ) from error
    except smtplib.SMTPServerDisconnected as error:
        late = isinstance(error.__context__, TimeoutError)  # smtplib tells it in words only
        raise NotifyError(_late(where) if late else _broken_off(where, settings)) from error
    except smtplib.SMTPResponseException as error:
        raise NotifyError(
            f"{where}: answers {error.smtp_code}{_said(error.smtp_error)}; expected a mail server that is ready."
        ) from error
    except smtplib.SMTPException as error:
        raise NotifyError(f"{where}: no login that both sides know; expected PLAIN, LOGIN or CRAM-MD5.") from error
    except UnicodeError as error:  # a name that no name server could know: a part of more than 63 letters
        raise NotifyError(_unknown_host(where)) from error
    except OSError as error:
        raise NotifyError(_network(where, settings, error)) from error


def _network(where: str, settings: SmtpSettings, error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{where}: its certificate is not trusted ({error.verify_message}); expected one that this machine knows. "
            f"Set SSL_CERT_FILE to the authority's."
        )
    if isinstance(error, ssl.SSLError):
        other = STARTTLS if settings.security == TLS else TLS
        return f"{where}: no TLS there; expected it. Look at the port, or choose {other}."
    if isinstance(error, TimeoutError):
        return _late(where)
    if isinstance(error, socket.gaierror):
        return _unknown_host(where)
    if isinstance(error, ConnectionRefusedError):
        return f"{where}: no connection (connection refused); expected a mail server. Look at host and port."
    if isinstance(error, ConnectionError):
        return _broken_off(where, settings)
    return f"{where}: no connection ({(error.strerror or str(error)).lower()}); expected one. Look at the network."


def _unknown_host(where: str) -> str:
    return f"{where}: nobody knows that host; expected a mail server's. Look at its name."


def _late(where: str) -> str:
    return (
        f"{where}: no answer within {SECONDS:g} s; expected one. Look at host, port and firewall; port 465 wants tls, "
        f"587 starttls."
    )


def _broken_off(where: str, settings: SmtpSettings) -> str:
    hint = "port 465 wants tls, 587 starttls" if settings.security != NONE else "it may want starttls or tls"
    return f"{where}: the connection broke off; expected the server to stay. Look at its log; {hint}."


def _refused(where: str, address: str, code: int, words: bytes | str) -> str:
    return f"{where}: {code} for the recipient {address!r}{_said(words)}; expected it to be taken. Look at the address."


def _said(words: bytes | str) -> str:
    text = one_line(words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words))
    return f" ({text[:_MOST_LETTERS]})" if text else ""
