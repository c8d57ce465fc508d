"""Settings: servers, notifications, simultaneous runs."""

from starlette.responses import Response

from preannotate.core.errors import PreannotateError
from preannotate.notifications.delivery import deliver
from preannotate.notifications.message import Message, NotifyError
from preannotate.notifications.settings import PORTS, NotifySettings, SmtpSettings, WebhookSettings, split_addresses
from preannotate.studio.web.page_request import Form, PageRequest, go_to

MAIL = ("host", "port", "security", "mail_user", "sender", "recipients")
STUDIO = ("simultaneous", "link_base")


def show(request: PageRequest) -> Response:
    """Show all settings."""
    return _page(request)


def save_mail(request: PageRequest) -> Response:
    """Save the e-mail settings; without a mail server e-mail is turned off."""
    saved = request.services.settings.notifications()
    form = Form.submitted(request, MAIL)
    try:
        smtp = _smtp(request, form, saved.smtp) if form.values["host"] else None
        if not form.errors:
            request.services.settings.set_notifications(NotifySettings(smtp, saved.webhook))
            return go_to("/settings", done="saved")
    except PreannotateError as error:
        form.add_error("", error)
    return _page(request, mail=form, status=422)


def save_webhook(request: PageRequest) -> Response:
    """Save the webhook; its URL is secret and never shown, so an empty field keeps the saved one."""
    saved = request.services.settings.notifications()
    form = Form()
    try:
        webhook = None if request.checked("off") else _webhook(request, saved.webhook)
        request.services.settings.set_notifications(NotifySettings(saved.smtp, webhook))
    except PreannotateError as error:
        form.add_error("webhook_url", error)
        return _page(request, webhook=form, status=422)
    return go_to("/settings", done="saved")


def save_studio(request: PageRequest) -> Response:
    """Save the number of simultaneous runs and the studio's URL."""
    form = Form.submitted(request, STUDIO)
    number = form.whole_number("simultaneous", "Simultaneous runs", least=1, most=16)
    if not form.errors:
        try:
            request.services.settings.set_link_base(form.values["link_base"])
            request.services.settings.set_simultaneous(number)
        except PreannotateError as error:
            form.add_error("link_base", error)
        else:
            return go_to("/settings", done="saved")
    return _page(request, studio=form, status=422)


def send_test(request: PageRequest) -> Response:
    """Send a test message to all recipients."""
    saved = request.services.settings.notifications()
    form = Form()
    if saved.smtp is None and saved.webhook is None:
        form.add_error("", "No notifications are set up; expected e-mail or a webhook. Save one of them first.")
        return _page(request, test=form, status=422)
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
    return _page(request, test=form, status=502) if form.errors else go_to("/settings", done="sent")


def _smtp(request: PageRequest, form: Form, saved: SmtpSettings | None) -> SmtpSettings:
    values = form.values
    if not values["port"]:
        values["port"] = str(PORTS.get(values["security"], ""))
    port = form.whole_number("port", "Port", least=1, most=65535)
    password = request.secret("mail_password")
    if not password and saved is not None and values["mail_user"] == saved.user and values["host"] == saved.host:
        password = saved.password  # never shown by the form; another server or user must not get it
    try:
        return SmtpSettings(
            values["host"],
            port,
            values["security"],
            values["mail_user"],
            password,
            values["sender"],
            split_addresses(values["recipients"]),
        )
    except NotifyError as error:
        form.add_error(_field_of(str(error)), error)
        raise


def _field_of(sentence: str) -> str:
    """Return the field that an error of the notification settings is about."""
    beginnings = {
        "host": "host", "port": "port", "security": "security", "login": "mail_user", "sender": "sender",
        "recipients": "recipients",
    }  # fmt: skip
    return next((name for beginning, name in beginnings.items() if sentence.startswith(beginning)), "")


def _webhook(request: PageRequest, saved: WebhookSettings | None) -> WebhookSettings:
    url, secret = request.secret("webhook_url").strip(), request.secret("webhook_secret")
    if not url and saved is not None:
        return WebhookSettings(saved.url, secret or saved.secret)
    return WebhookSettings(url, secret)


def _page(
    request: PageRequest,
    *,
    mail: Form | None = None,
    webhook: Form | None = None,
    studio: Form | None = None,
    test: Form | None = None,
    status: int = 200,
) -> Response:
    settings = request.services.settings
    saved = settings.notifications()
    return request.page(
        "settings.html",
        status,
        servers=request.services.servers.list(),
        address=str(request.raw.base_url).rstrip("/"),
        saved=saved,
        mail=mail or _mail_form(saved.smtp),
        webhook=webhook or Form(),
        studio=studio or Form.initial(simultaneous=settings.simultaneous, link_base=settings.link_base),
        test=test or Form(),
    )


def _mail_form(smtp: SmtpSettings | None) -> Form:
    if smtp is None:
        return Form.initial(host="", port="", security="starttls", mail_user="", sender="", recipients="")
    return Form.initial(
        host=smtp.host,
        port=smtp.port,
        security=smtp.security,
        mail_user=smtp.user,
        sender=smtp.sender,
        recipients=", ".join(smtp.recipients),
    )
