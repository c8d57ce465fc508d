"""Settings: servers, notifications, runs at a time."""

from starlette.responses import Response

from preannotate.core.errors import PreannotateError
from preannotate.notifications import Message, NotifyError, NotifySettings, SmtpSettings, WebhookSettings, notify
from preannotate.notifications.settings import PORTS, split_addresses
from preannotate.studio.web.forms import Form
from preannotate.studio.web.visit import Visit, go_to

MAIL = ("host", "port", "security", "mail_user", "sender", "recipients")
STUDIO = ("simultaneous", "link_base")


def show(visit: Visit) -> Response:
    """All of them."""
    return _page(visit)


def save_mail(visit: Visit) -> Response:
    """E-mail; without a host it is switched off."""
    told = visit.studio.settings.notifications()
    form = Form.sent(visit, MAIL)
    try:
        smtp = _smtp(visit, form, told.smtp) if form.values["host"] else None
        if not form.errors:
            visit.studio.settings.set_notifications(NotifySettings(smtp, told.webhook))
            return go_to("/settings", done="saved")
    except PreannotateError as error:
        form.wrong("", error)
    return _page(visit, mail=form, status=422)


def save_webhook(visit: Visit) -> Response:
    """The webhook; its address is as secret as a password, so an empty field keeps the saved one."""
    told = visit.studio.settings.notifications()
    form = Form()
    try:
        webhook = None if visit.checked("off") else _webhook(visit, told.webhook)
        visit.studio.settings.set_notifications(NotifySettings(told.smtp, webhook))
    except PreannotateError as error:
        form.wrong("webhook_url", error)
        return _page(visit, webhook=form, status=422)
    return go_to("/settings", done="saved")


def save_studio(visit: Visit) -> Response:
    """Runs at a time, and the address in messages."""
    form = Form.sent(visit, STUDIO)
    number = form.whole_number("simultaneous", "Runs at a time", least=1, most=16)
    if not form.errors:
        try:
            visit.studio.settings.set_link_base(form.values["link_base"])
            visit.studio.settings.set_simultaneous(number)
        except PreannotateError as error:
            form.wrong("link_base", error)
        else:
            return go_to("/settings", done="saved")
    return _page(visit, studio=form, status=422)


def send_test(visit: Visit) -> Response:
    """Tell everybody who would be told."""
    told = visit.studio.settings.notifications()
    form = Form()
    if told.smtp is None and told.webhook is None:
        form.wrong("", "Nobody to tell; expected e-mail or a webhook. Fill in one of them and save it first.")
        return _page(visit, test=form, status=422)
    message = Message(
        title="Preannotate: a test",
        text="Somebody asked the studio for a test message. When a run ends, you will hear of it in the same way.",
        link=visit.studio.settings.link_base,
        facts={},
        picture=None,
        failed=False,
    )
    for sentence in notify(told, message):
        form.wrong(str(len(form.errors)), sentence)
    return _page(visit, test=form, status=502) if form.errors else go_to("/settings", done="sent")


def _smtp(visit: Visit, form: Form, saved: SmtpSettings | None) -> SmtpSettings:
    values = form.values
    if not values["port"]:
        values["port"] = str(PORTS.get(values["security"], ""))
    port = form.whole_number("port", "Port", least=1, most=65535)
    password = visit.secret("mail_password")
    if not password and saved is not None and values["mail_user"] == saved.user and values["host"] == saved.host:
        password = saved.password  # the form never shows it; another server or user must not get it
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
        form.wrong(_field_of(str(error)), error)
        raise


def _field_of(sentence: str) -> str:
    """The field that a sentence of `notify` is about."""
    beginnings = {
        "host": "host", "port": "port", "security": "security", "login": "mail_user", "sender": "sender",
        "recipients": "recipients",
    }  # fmt: skip
    return next((name for beginning, name in beginnings.items() if sentence.startswith(beginning)), "")


def _webhook(visit: Visit, saved: WebhookSettings | None) -> WebhookSettings:
    url, secret = visit.secret("webhook_url").strip(), visit.secret("webhook_secret")
    if not url and saved is not None:
        return WebhookSettings(saved.url, secret or saved.secret)
    return WebhookSettings(url, secret)


def _page(
    visit: Visit,
    *,
    mail: Form | None = None,
    webhook: Form | None = None,
    studio: Form | None = None,
    test: Form | None = None,
    status: int = 200,
) -> Response:
    settings = visit.studio.settings
    told = settings.notifications()
    return visit.page(
        "settings.html",
        status,
        servers=visit.studio.servers.list(),
        address=str(visit.request.base_url).rstrip("/"),
        told=told,
        mail=mail or _mail_form(told.smtp),
        webhook=webhook or Form(),
        studio=studio or Form.of(simultaneous=settings.simultaneous, link_base=settings.link_base),
        test=test or Form(),
    )


def _mail_form(smtp: SmtpSettings | None) -> Form:
    if smtp is None:
        return Form.of(host="", port="", security="starttls", mail_user="", sender="", recipients="")
    return Form.of(
        host=smtp.host,
        port=smtp.port,
        security=smtp.security,
        mail_user=smtp.user,
        sender=smtp.sender,
        recipients=", ".join(smtp.recipients),
    )
