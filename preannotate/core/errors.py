"""Errors that a user can fix; the command line prints them without a traceback.

Every package has its own subclass, so that callers can tell whose error it is.
"""


class PreannotateError(Exception):
    """A sentence for the user: what was found, where, what was expected and what to do."""

    exit_code = 2


class UsageError(PreannotateError, ValueError):
    """An option has an impossible value, or options do not go together."""


class FileError(PreannotateError, OSError):
    """A file or folder cannot be read or written."""


class LockedError(PreannotateError):
    """Another process holds the lock."""
