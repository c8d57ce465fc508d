"""Passwords and access tokens: in the system's keyring if there is one, else in files that only the owner can read.

Files of mode 0600 lie in a folder of mode 0700. A file that others could have read is an error, as in cvat-sdk: the
secret in it must be replaced.
"""

import contextlib
import os
import re
import stat
from pathlib import Path
from typing import Protocol

from preannotate.core.files import replace_text
from preannotate.studio.errors import StudioError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_OTHERS = 0o077


class Keyring(Protocol):
    """The methods of a keyring's backend that are used."""

    def get_password(self, service: str, username: str) -> str | None: ...  # noqa: D102

    def set_password(self, service: str, username: str, password: str) -> None: ...  # noqa: D102

    def delete_password(self, service: str, username: str) -> None: ...  # noqa: D102


def find_keyring() -> Keyring | None:
    """Return the system's keyring; None if there is none that can be used."""
    try:
        import keyring
    except ImportError:
        return None
    backend = keyring.get_keyring()
    # Backends that keep nothing, or cannot, say so by their priority.
    return backend if getattr(backend, "priority", 0) > 0 else None


class SecretStore:
    """Secrets by name; none appears in its texts and errors."""

    def __init__(self, folder: Path, service: str, keyring: Keyring | None) -> None:
        """Open a store; create nothing.

        Args:
            folder: For files.
            service: Name in the keyring, different for each workspace.
            keyring: None stores all secrets in files.
        """
        self._folder, self._service, self._keyring = folder, service, keyring

    def __repr__(self) -> str:
        return f"SecretStore({str(self._folder)!r})"

    def get(self, name: str) -> str:
        """Return a secret; "" if there is none, and a StudioError if others could have read its file."""
        path = self._file(name)
        if (found := self._read(path)) is not None:
            return found
        if self._keyring is not None:
            with contextlib.suppress(Exception):  # a keyring that is locked or gone has no secret to give
                return self._keyring.get_password(self._service, name) or ""
        return ""

    def set(self, name: str, secret: str) -> None:
        """Store a secret in place of an earlier one; an empty one removes it."""
        path = self._file(name)
        if not secret:
            self.remove(name)
            return
        if self._keyring is not None:
            try:
                self._keyring.set_password(self._service, name, secret)
            except Exception:  # any backend has errors of its own; files always work
                pass
            else:
                path.unlink(missing_ok=True)
                return
        self._write(path, secret)

    def remove(self, name: str) -> None:
        """Remove a secret from the keyring and from the files."""
        self._file(name).unlink(missing_ok=True)
        if self._keyring is not None:
            with contextlib.suppress(Exception):  # there was none
                self._keyring.delete_password(self._service, name)

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise StudioError(f"secret {name!r}: not a name; expected lower-case letters, digits and '-'.")
        return self._folder / name

    def _read(self, path: Path) -> str | None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StudioError(f"{path}: {error.strerror}; expected a file of mode 0600. Log in again.") from error
        with os.fdopen(descriptor, encoding="utf-8") as file:
            _check(self._folder, self._folder.stat().st_mode, 0o700)
            _check(path, os.fstat(file.fileno()).st_mode, 0o600)
            return file.read()

    def _write(self, path: Path, secret: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(self._folder, self._folder.stat().st_mode, 0o700)
        replace_text(path, secret, mode=0o600)


def _check(path: Path, mode: int, expected: int) -> None:
    if stat.S_IMODE(mode) & _OTHERS:
        raise StudioError(
            f"{path}: mode {stat.S_IMODE(mode):04o}, so other users could have read it; expected {expected:04o}. "
            f"Run chmod {expected:o} {path} and replace the tokens and passwords in it."
        )
