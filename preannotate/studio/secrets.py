"""Passwords and access tokens: in the keyring of the system if it has one, else in files that only the owner can read.

Files lie in a folder of mode 0700, each of mode 0600. A file that others could have read is refused, as cvat-sdk does
with its own: who finds out learns that the secret is no longer one.
"""

import contextlib
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Protocol

from preannotate.studio.errors import StudioError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_OTHERS = 0o077


class Keyring(Protocol):
    """What is used of a keyring's backend."""

    def get_password(self, service: str, username: str) -> str | None:
        """A secret; None if there is none."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""

    def delete_password(self, service: str, username: str) -> None:
        """Forget a secret."""


def find_keyring() -> Keyring | None:
    """The keyring of this system; None if there is none that can be used."""
    try:
        import keyring
    except ImportError:
        return None
    backend = keyring.get_keyring()
    # Backends that keep nothing, or cannot, say so by their priority.
    return backend if getattr(backend, "priority", 0) > 0 else None


class SecretStore:
    """Secrets by name; neither its texts nor its errors show one."""

    def __init__(self, folder: Path, service: str, keyring: Keyring | None) -> None:
        """Where secrets are kept.

        Args:
            folder: For files.
            service: Name in the keyring, so that two workspaces do not mix.
            keyring: None keeps all in files.
        """
        self._folder, self._service, self._keyring = folder, service, keyring

    def __repr__(self) -> str:
        return f"SecretStore({str(self._folder)!r})"

    def get(self, name: str) -> str:
        """A secret; "" if there is none.

        Raises:
            StudioError: Others could have read the file.
        """
        path = self._file(name)
        if (found := self._read(path)) is not None:
            return found
        if self._keyring is not None:
            with contextlib.suppress(Exception):  # a keyring that is locked or gone has no secret to give
                return self._keyring.get_password(self._service, name) or ""
        return ""

    def set(self, name: str, secret: str) -> None:
        """Keep a secret in place of an earlier one; an empty one is forgotten."""
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
        """Forget a secret, wherever it is."""
        self._file(name).unlink(missing_ok=True)
        if self._keyring is not None:
            with contextlib.suppress(Exception):  # there was none
                self._keyring.delete_password(self._service, name)

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise StudioError(f"secret {name!r}: no name; expected small letters, digits and '-'.")
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
        descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=".new.")  # of mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(secret)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _check(path: Path, mode: int, expected: int) -> None:
    if stat.S_IMODE(mode) & _OTHERS:
        raise StudioError(
            f"{path}: mode {stat.S_IMODE(mode):04o}, which other users can get at; expected {expected:04o}. "
            f"Run chmod {expected:o} {path}, and make new tokens in place of those that they may have read."
        )
