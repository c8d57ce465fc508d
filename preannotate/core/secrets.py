"""A secret that this program and its callers share: from a file or the environment, and never shown.

The command line can be read by every user of the machine. No message shows what was found: it may be the secret with
a slip in it.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from preannotate.core.errors import PreannotateError

# All variables of the environment that hold a secret of ours or a login to CVAT.
SECRET_VARIABLES = (
    *("CVAT_ACCESS_TOKEN", "CVAT_PASSWORD", "PASS", "PREANNOTATE_CVAT_WEBHOOK_SECRET", "PREANNOTATE_SMTP_PASSWORD"),
    *("PREANNOTATE_STUDIO_TOKEN", "PREANNOTATE_TOKEN", "PREANNOTATE_WEBHOOK_SECRET", "PREANNOTATE_WEBHOOK_URL"),
)
# Shorter ones are words that stand in other places, too.
_SHORTEST = 6
_LOGIN_IN_URL = re.compile(r"([a-z][a-z0-9+.-]{0,20}://)[^\s/@]{1,300}@")


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a process that needs no secret."""
    return {name: value for name, value in environment.items() if name not in SECRET_VARIABLES}


def redacted(text: str) -> str:
    """Return text in which neither the secrets of the environment nor logins within URLs can be read."""
    for name in SECRET_VARIABLES:
        if len(secret := os.environ.get(name, "")) >= _SHORTEST:
            text = text.replace(secret, "***")
    return _LOGIN_IN_URL.sub(r"\1***@", text)


@dataclass(frozen=True)
class SharedSecret:
    """Where a secret comes from, and the pattern that it matches.

    Attributes:
        what: Its name in messages: "token".
        option: The option of the command line that names its file.
        variable: The environment variable that holds it.
        letters: The pattern in words.
        error: The class of the error about it.
    """

    what: str
    option: str
    variable: str
    pattern: str
    letters: str
    error: type[PreannotateError]

    def find(self, file: Path | None) -> str:
        """Return the secret from a file, else from the environment; "" if there is none.

        The variable is removed from the environment, so that no other process inherits it.

        Raises:
            PreannotateError: `error`: the file cannot be read, or holds none.
        """
        from_environment = os.environ.pop(self.variable, "")
        if file is None:
            return self.checked(from_environment, self.variable) if from_environment else ""
        where = f"{self.option}: {file}"
        try:
            return self.checked(file.read_text(encoding="utf-8").strip(), where)
        except OSError as error:
            raise self.error(
                f"{where}: {error.strerror}; expected a file that holds the {self.what}. Check its permissions."
            ) from error
        except UnicodeDecodeError as error:
            raise self.error(f"{where}: not text; expected the {self.what}. Write it again.") from error

    def checked(self, secret: str, where: str) -> str:
        """Return the secret, which was found at `where`.

        Raises:
            PreannotateError: `error`: it does not match the pattern.
        """
        if not re.fullmatch(self.pattern, secret):
            raise self.error(
                f"{where}: {len(secret)} characters; expected {self.letters}. "
                f"Make one with `python3 -c 'import secrets; print(secrets.token_urlsafe())'`."
            )
        return secret


def token(variable: str, error: type[PreannotateError]) -> SharedSecret:
    """A token of what .netrc files, addresses and headers can all hold."""
    letters = "16 to 512 of A-Z, a-z, 0-9, '.', '_', '~' and '-'"
    return SharedSecret("token", "--token-file", variable, r"[A-Za-z0-9._~-]{16,512}", letters, error)
