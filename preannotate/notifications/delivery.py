"""A message by all ways that are set."""

from preannotate.notifications.errors import NotifyError
from preannotate.notifications.message import Message
from preannotate.notifications.settings import NotifySettings


def notify(settings: NotifySettings, message: Message) -> list[str]:
    """Tell people and programs.

    Args:
        settings: Whom, and how.
        message: What.

    Returns:
        A sentence for each thing that could not be delivered; a dead server is no exception.
    """
    problems: list[str] = []
    if settings.smtp is not None:
        from preannotate.notifications.mail import compose
        from preannotate.notifications.smtp import send

        try:
            problems += send(settings.smtp, compose(settings.smtp, message))
        except NotifyError as error:
            problems.append(str(error))
    if settings.webhook is not None:
        from preannotate.notifications.webhook import post_message

        try:
            post_message(settings.webhook, message)
        except NotifyError as error:
            problems.append(str(error))
    return problems
