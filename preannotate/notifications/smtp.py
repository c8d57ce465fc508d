"""An e-mail to a mail server, and each way in which that fails in one sentence.

The server's own words are shown where they help, but not those about a login: some repeat what was sent.
"""

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage

from preannotate.core.http import Failure, no_response
from preannotate.notifications.message import NotifyError, one_line
from preannotate.notifications.settings import NONE, STARTTLS, TLS, SmtpSettings, mailbox

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
            f"{where}: {error.smtp_code} for the sender {settings.sender!r}{_said(error.smtp_error)}; expected an "
            f"accepted sender. Many servers let users send from their own address only, or only with a login."
        ) from error
    except smtplib.SMTPDataError as error:
        raise NotifyError(
            f"{where}: {error.smtp_code} for the message{_said(error.smtp_error)}; expected an accepted message."
        ) from error
    except smtplib.SMTPServerDisconnected as error:
        late = isinstance(error.__context__, TimeoutError)  # smtplib has no exception of its own for it
        raise NotifyError(_late(where) if late else _broken_off(where, settings)) from error
    except smtplib.SMTPResponseException as error:
        raise NotifyError(
            f"{where}: answers {error.smtp_code}{_said(error.smtp_error)}; expected a mail server that is ready."
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
    what = f"{where}: {code} for the recipient {address!r}{_said(words)}"
    return f"{what}; expected an accepted recipient. Check the address."


def _said(words: bytes | str) -> str:
    text = one_line(words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words))
    return f" ({text[:_MOST_LETTERS]})" if text else ""
