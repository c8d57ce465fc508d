"""Telling people, and other programs, that a run has ended: by e-mail and by a webhook.

`message` is what is said, `settings` to whom, `outcomes` makes the message of a run, `mail` the e-mail of a message.
"""

from preannotate.notifications.delivery import notify
from preannotate.notifications.errors import NotifyError
from preannotate.notifications.message import Message
from preannotate.notifications.settings import NotifySettings, SmtpSettings, WebhookSettings

__all__ = ["Message", "NotifyError", "NotifySettings", "SmtpSettings", "WebhookSettings", "notify"]
