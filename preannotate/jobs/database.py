"""WORKSPACE/jobs.sqlite: runs, saved servers, settings and counts; no secret is ever in it.

Several processes open it at once: the web interface, `watch`, and runs. Each has one connection, used by one thread at
a time: a statement takes microseconds. Changes are written ahead (WAL), so that a process that is killed leaves a whole
database.
"""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from preannotate.jobs.errors import JobError

# The first n scripts make the database of version n; a script that was released is never changed.
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
        source TEXT NOT NULL,
        state TEXT NOT NULL,
        place INTEGER NOT NULL,
        created TEXT NOT NULL,
        started TEXT,
        ended TEXT,
        error TEXT NOT NULL DEFAULT '',
        request TEXT NOT NULL,
        server INTEGER,
        machine TEXT,
        notify INTEGER NOT NULL DEFAULT 0,
        version INTEGER,
        exit_code INTEGER,
        host TEXT,
        owner INTEGER,
        owner_started REAL,
        process INTEGER,
        process_started REAL,
        stop_requested REAL
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
        """Create or open the file and bring it up to date; JobError if it is of a newer version, or no database."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        try:
            with contextlib.ExitStack() as stack:
                self._connection = sqlite3.connect(
                    path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
                stack.callback(self._connection.close)
                self._connection.row_factory = sqlite3.Row
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA foreign_keys = ON")
                self._migrate(path)
                stack.pop_all()
        except sqlite3.DatabaseError as error:
            raise JobError(f"{path}: {error}; expected a database of Preannotate. Move it away.") from error

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows that a statement finds."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        with self._lock:
            return self._connection.execute(statement, values).rowcount

    def insert(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Add a row; return its id."""
        with self._lock:
            return int(self._connection.execute(statement, values).lastrowid or 0)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all inside or nothing; other threads and processes wait."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def setting(self, name: str, default: Any) -> Any:
        """Return a setting of the workspace, as JSON holds it."""
        rows = self.rows("SELECT value FROM settings WHERE name = ?", (name,))
        return json.loads(rows[0]["value"]) if rows else default

    def set_setting(self, name: str, value: Any) -> None:
        """Change a setting of the workspace."""
        self.change(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, json.dumps(value)),
        )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _migrate(self, path: Path) -> None:
        with self.transaction():
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise JobError(
                    f"{path}: of version {version}; expected at most {len(MIGRATIONS)}. A newer Preannotate wrote it: "
                    f"update this one."
                )
            for number, script in enumerate(MIGRATIONS[version:], version + 1):
                for statement in script.split(";"):  # executescript would end the transaction
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number}")
