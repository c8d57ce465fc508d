"""Settings: servers, notifications, simultaneous runs."""

from starlette.responses import Response

from preannotate.notifications.delivery import deliver
from preannotate.notifications.message import Message, NotifyError
from preannotate.notifications.settings import PORTS, NotifySettings, SmtpSettings, WebhookSettings, split_addresses
from preannotate.studio.settings import MOST_SIMULTANEOUS
from preannotate.studio.web.page_request import Form, PageRequest, go_to

MAIL = ("host", "port", "security", "mail_user", "sender", "recipients")


def save_mail(request: PageRequest) -> Response:
    """Save the e-mail settings; without a mail server e-mail is turned off."""
    saved = request.services.settings.notifications()
    form = Form.submitted(request, MAIL)
    with form.errors_at(""):
        smtp = _smtp(request, form, saved.smtp) if form.values["host"] else None
        if not form.errors:
            request.services.settings.set_notifications(NotifySettings(smtp, saved.webhook))
            return go_to("/settings", done="saved")
    return show(request, mail=form, status=422)


def save_webhook(request: PageRequest) -> Response:
    """Save the webhook; its URL is secret and never shown, so an empty field keeps the saved one."""
    saved = request.services.settings.notifications()
    form = Form()
    with form.errors_at("webhook_url"):
        webhook = None if request.checked("off") else _webhook(request, saved.webhook)
        request.services.settings.set_notifications(NotifySettings(saved.smtp, webhook))
    return show(request, webhook=form, status=422) if form.errors else go_to("/settings", done="saved")


def save_studio(request: PageRequest) -> Response:
    """Save the number of simultaneous runs and the studio's URL."""
    form = Form.submitted(request, ("simultaneous", "link_base"))
    number = form.whole_number("simultaneous", "Simultaneous runs", least=1, most=MOST_SIMULTANEOUS)
    if not form.errors:
        with form.errors_at("link_base"):
            request.services.settings.set_link_base(form.values["link_base"])
            request.services.settings.set_simultaneous(number)
            return go_to("/settings", done="saved")
    return show(request, studio=form, status=422)


def send_test(request: PageRequest) -> Response:
    """Send a test message to all recipients."""
    saved = request.services.settings.notifications()
    form = Form()
    if saved.smtp is None and saved.webhook is None:
        form.add_error("", "No notifications are set up; expected e-mail or a webhook. Save one of them first.")
        return show(request, test=form, status=422)
    message = Message(
        title="Preannotate: test message",
        text="This is a test message of the studio. Messages about finished runs arrive in the same way.",
        link=request.services.settings.link_base,
        facts={},
        picture=None,
        failed=False,
    )
    for sentence in deliver(saved, message):
        form.add_error(str(len(form.errors)), sentence)
    return show(request, test=form, status=502) if form.errors else go_to("/settings", done="sent")


def _smtp(request: PageRequest, form: Form, saved: SmtpSettings | None) -> SmtpSettings:
    values = form.values
    if not values["port"]:
        values["port"] = str(PORTS.get(values["security"], ""))
    port = form.whole_number("port", "Port", least=1, most=65535)
    password = request.secret("mail_password")
    if not password and saved is not None and values["mail_user"] == saved.user and values["host"] == saved.host:
        password = saved.password  # never shown by the form; another server or user must not get it
    recipients = split_addresses(values["recipients"])
    try:
        return SmtpSettings(
            values["host"], port, values["security"], values["mail_user"], password, values["sender"], recipients
        )
    except NotifyError as error:
        # The error begins with the setting that it is about.
        names = {"login": "mail_user", **{name: name for name in MAIL}}
        form.add_error(next((names[start] for start in names if str(error).startswith(start)), ""), error)
        raise


def _webhook(request: PageRequest, saved: WebhookSettings | None) -> WebhookSettings:
    url, secret = request.secret("webhook_url").strip(), request.secret("webhook_secret")
    if not url and saved is not None:
        return WebhookSettings(saved.url, secret or saved.secret)
    return WebhookSettings(url, secret)


def show(request: PageRequest, *, status: int = 200, **forms: Form) -> Response:
    """Show all settings; a form that was rejected is shown again: mail, webhook, studio or test."""
    settings = request.services.settings
    saved = settings.notifications()
    return request.page(
        "settings.html",
        status,
        servers=request.services.servers.list(),
        address=str(request.raw.base_url).rstrip("/"),
        saved=saved,
        **{
            "mail": _mail_form(saved.smtp),
            "webhook": Form(),
            "studio": Form.initial(simultaneous=settings.simultaneous, link_base=settings.link_base),
            "test": Form(),
        }
        | forms,
    )


def _mail_form(smtp: SmtpSettings | None) -> Form:
    if smtp is None:
        return Form.initial(**dict.fromkeys(MAIL, "") | {"security": "starttls"})
    values = (smtp.host, smtp.port, smtp.security, smtp.user, smtp.sender, ", ".join(smtp.recipients))
    return Form.initial(**dict(zip(MAIL, values, strict=True)))
