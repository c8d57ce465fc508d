"""The database: made, brought up to date, refused if it is of a newer version; changes are whole."""

import re
import sqlite3
import threading

import pytest

from preannotate.jobs.database import MIGRATIONS, Database
from preannotate.jobs.errors import JobError


def test_it_is_made_and_opened_again(tmp_path):
    path = tmp_path / "new" / "jobs.sqlite"
    first = Database(path)
    first.insert("INSERT INTO settings VALUES ('a', '1')")
    first.close()
    again = Database(path)

    assert [tuple(row) for row in again.rows("SELECT * FROM settings")] == [("a", "1")]
    assert again.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS)
    assert again.rows("PRAGMA journal_mode")[0][0] == "wal"
    again.close()


def test_a_newer_one_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "jobs.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    sentence = (
        f"{path}: of version 99; expected at most {len(MIGRATIONS)}. A newer Preannotate wrote it: update this one."
    )

    with pytest.raises(JobError, match=f"^{re.escape(sentence)}$"):
        Database(path)
    assert sqlite3.connect(path).execute("SELECT COUNT(*) FROM sqlite_master").fetchone() == (0,)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: path.write_bytes(b"not a database at all, but long enough"), "file is not a database"),
        (lambda path: path.mkdir(), "unable to open database file"),
    ],
)
def test_what_is_no_database(tmp_path, make, found):
    path = tmp_path / "jobs.sqlite"
    make(path)
    sentence = f"{path}: {found}; expected a database of Preannotate. Move it away."

    with pytest.raises(JobError, match=re.escape(sentence)):
        Database(path)


def test_a_transaction_that_fails_changes_nothing(tmp_path):
    database = Database(tmp_path / "jobs.sqlite")
    with pytest.raises(ZeroDivisionError), database.transaction():
        database.insert("INSERT INTO settings VALUES ('a', '1')")
        _ = 1 / 0

    assert database.rows("SELECT * FROM settings") == []
    database.close()


def test_what_a_removed_server_has_goes_with_it(tmp_path):
    database = Database(tmp_path / "jobs.sqlite")
    server = database.insert("INSERT INTO servers VALUES (NULL, 'a', 'u', NULL, 0, '', '', '', 'token', '')")
    database.insert("INSERT INTO annotations VALUES (?, 40, '', '{}')", (server,))
    database.change("DELETE FROM servers")

    assert database.rows("SELECT * FROM annotations") == []
    database.close()


def test_many_threads_count_together(tmp_path):
    database = Database(tmp_path / "jobs.sqlite")
    database.insert("INSERT INTO settings VALUES ('count', '0')")

    def work():
        for _ in range(50):
            with database.transaction():
                count = int(database.rows("SELECT value FROM settings")[0][0])
                database.change("UPDATE settings SET value = ?", (str(count + 1),))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert database.rows("SELECT value FROM settings")[0][0] == "200"
    database.close()
