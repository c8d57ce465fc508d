"""Delivering messages by everything that is configured, and `preannotate notify`, which shows and tests that."""

import sys
from pathlib import Path

from preannotate.notifications.message import Message, NotifyError
from preannotate.notifications.settings import VARIABLES, NotifySettings

NOT_DELIVERED = 1


def deliver(settings: NotifySettings, message: Message) -> list[str]:
    """Send a message by e-mail and to the webhook, as far as they are configured.

    Returns:
        A sentence for each failed delivery; a dead server is not an exception.
    """
    problems: list[str] = []
    if settings.smtp is not None:
        from preannotate.notifications.mail import compose_mail
        from preannotate.notifications.smtp import send_mail

        try:
            problems += send_mail(settings.smtp, compose_mail(settings.smtp, message))
        except NotifyError as error:
            problems.append(str(error))
    if settings.webhook is not None:
        from preannotate.notifications.webhook import post_message

        try:
            post_message(settings.webhook, message)
        except NotifyError as error:
            problems.append(str(error))
    return problems


def deliver_and_report(settings: NotifySettings, message: Message) -> int:
    """Deliver a message and print to stderr what failed; returns `NOT_DELIVERED` if something did, else 0."""
    problems = deliver(settings, message)
    for problem in problems:
        print(f"not delivered: {problem}", file=sys.stderr)
    if not problems:
        print(f"message sent: {message.title}", file=sys.stderr)
    return NOT_DELIVERED if problems else 0


def describe_recipients(settings: NotifySettings) -> list[str]:
    """Return a line for each way in which messages are sent, without secrets."""
    lines = []
    if (smtp := settings.smtp) is not None:
        login = f"as user {smtp.user}" if smtp.user else "without login"
        lines.append(
            f"e-mail: to {', '.join(smtp.recipients)} from {smtp.sender}, by {smtp.host}:{smtp.port} "
            f"({smtp.security}, {login})"
        )
    if (webhook := settings.webhook) is not None:
        lines.append(f"webhook: {webhook.host}/… ({'signed' if webhook.secret else 'not signed'})")
    return lines


def show_or_test(*, test: bool, picture: Path | None) -> int:
    """Print the settings, or send a test message.

    Args:
        test: Send a message.
        picture: Attached to it.

    Returns:
        The exit code: `NOT_DELIVERED` if the message could not be delivered.

    Raises:
        NotifyError: Nothing is configured, or a setting is wrong.
    """
    if not test:
        print("Environment variables of --notify:\n")
        width = max(map(len, VARIABLES))
        print("\n".join(f"  {name:{width}}  {meaning}" for name, meaning in VARIABLES.items()), end="\n\n", flush=True)
    settings = NotifySettings.from_environment()
    for line in describe_recipients(settings):
        print(line)
    if not test:
        print("send a test message: preannotate notify --test")
        return 0
    message = Message(
        "Preannotate: a test message",
        "If you can read this, Preannotate can send you a message when a model is ready.",
        facts={"mAP50": "0.93 (an example)"},
        picture=picture,
    )
    return deliver_and_report(settings, message)
