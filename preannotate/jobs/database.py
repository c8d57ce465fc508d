"""WORKSPACE/studio.sqlite: servers, runs, settings and counts; no secret is ever in it.

One connection, used by one thread at a time: what is asked takes microseconds. Changes are written ahead (WAL), so that
a studio that is killed leaves a whole database.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from preannotate.studio.errors import StudioError

# The database of version n is made by the first n scripts; a script that was released is never changed.
MIGRATIONS = (
    """
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE servers (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        url TEXT NOT NULL,
        organization TEXT,
        insecure INTEGER NOT NULL,
        user TEXT NOT NULL,
        version TEXT NOT NULL,
        profile TEXT NOT NULL,
        login TEXT NOT NULL,
        problem TEXT NOT NULL
    );
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        place INTEGER NOT NULL,
        created TEXT NOT NULL,
        began TEXT NOT NULL DEFAULT '',
        ended TEXT NOT NULL DEFAULT '',
        error TEXT NOT NULL DEFAULT '',
        asked TEXT NOT NULL,
        version INTEGER NOT NULL DEFAULT 0,
        process INTEGER NOT NULL DEFAULT 0,
        process_began REAL NOT NULL DEFAULT 0,
        stop_asked REAL NOT NULL DEFAULT 0
    );
    CREATE INDEX runs_by_state ON runs (state, place);
    CREATE TABLE annotations (
        server INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
        job INTEGER NOT NULL,
        updated TEXT NOT NULL,
        content TEXT NOT NULL,
        PRIMARY KEY (server, job)
    );
    """,
)
_BUSY_SECONDS = 10.0


class Database:
    """Rows in, rows out; may be used by several threads."""

    def __init__(self, path: Path) -> None:
        """Open the file, and bring it up to date; it is made if it is not there.

        Raises:
            StudioError: It is of a newer version of this program, or no database.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        connection = None
        try:
            connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._connection = connection
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._migrate(path)
        except (sqlite3.DatabaseError, StudioError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, StudioError):
                raise
            raise StudioError(f"{path}: {error}; expected the studio's database. Move it away.") from error

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """What a statement finds."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Do what a statement says; returns how many rows it changed."""
        with self._lock:
            return self._connection.execute(statement, values).rowcount

    def insert(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Add a row; returns its id."""
        with self._lock:
            return int(self._connection.execute(statement, values).lastrowid or 0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All inside or nothing; other threads wait."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _migrate(self, path: Path) -> None:
        with self.transaction():
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise StudioError(
                    f"{path}: of version {version}; expected at most {len(MIGRATIONS)}. A newer Preannotate wrote it: "
                    f"update this one."
                )
            for number, script in enumerate(MIGRATIONS[version:], version + 1):
                for statement in script.split(";"):  # executescript would end the transaction
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number}")
