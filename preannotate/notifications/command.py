"""`preannotate notify`: whom `--notify` would tell, and a message to try it."""

import sys
from pathlib import Path

from preannotate.notifications.delivery import notify
from preannotate.notifications.message import Message
from preannotate.notifications.settings import VARIABLES, NotifySettings

NOT_DELIVERED = 1


def run(*, test: bool, picture: Path | None) -> int:
    """Say what is set, or send a message; returns the exit code, 1 if it could not be delivered.

    Args:
        test: Send a message.
        picture: Goes with it.

    Raises:
        NotifyError: Nothing is set, or something wrong.
    """
    if not test:
        print("What --notify reads from the environment:\n")
        width = max(map(len, VARIABLES))
        print("\n".join(f"  {name:{width}}  {meaning}" for name, meaning in VARIABLES.items()), end="\n\n", flush=True)
    settings = NotifySettings.from_environment()
    for line in described(settings):
        print(line)
    if not test:
        print("try it: preannotate notify --test")
        return 0
    message = Message(
        "Preannotate: a test message",
        "If you can read this, Preannotate can tell you when a model is ready.",
        facts={"mAP50": "0.93 (an example)"},
        picture=picture,
    )
    return tell(settings, message)


def tell(settings: NotifySettings, message: Message) -> int:
    """Deliver a message and say on stderr what could not be delivered; 1 if something could not."""
    problems = notify(settings, message)
    for problem in problems:
        print(f"not delivered: {problem}", file=sys.stderr)
    if not problems:
        print(f"told: {message.title}", file=sys.stderr)
    return NOT_DELIVERED if problems else 0


def described(settings: NotifySettings) -> list[str]:
    """Whom messages reach, without any secret."""
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
