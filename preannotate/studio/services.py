"""The studio as one object: opened on a workspace, started, closed."""

import contextlib
import uuid
from collections.abc import Sequence

from preannotate.core.locks import file_lock
from preannotate.jobs.database import Database
from preannotate.jobs.queue import Run, RunQueue, RunSource
from preannotate.jobs.run_messages import run_message
from preannotate.jobs.supervisor import COMMAND, Supervisor
from preannotate.notifications.delivery import deliver
from preannotate.registry.workspace import Workspace
from preannotate.studio import secrets
from preannotate.studio.catalogue import Catalogue
from preannotate.studio.models import Models
from preannotate.studio.servers import Servers
from preannotate.studio.settings import Settings

# Logins of this process are not those of a run.
_NOT_INHERITED = ("CVAT_ACCESS_TOKEN", "PASS", "PREANNOTATE_TOKEN", "PREANNOTATE_STUDIO_TOKEN")


class Services:
    """Everything behind the pages; all methods may be called from several threads."""

    def __init__(self, workspace: Workspace, *, command: Sequence[str] = COMMAND) -> None:
        """Open the database of the workspace, which is created if it does not exist; start nothing.

        Args:
            workspace: Of models, functions and runs.
            command: Starts a run's process; the name of the subcommand follows.

        Raises:
            JobError: The database is of a newer version of this program, or not a database.
        """
        self.workspace = Workspace(workspace.path.resolve())  # a run has another working directory
        self._database = Database(self.workspace.database)
        store = secrets.SecretStore(
            self.workspace.path / ".secrets", f"preannotate studio {_identity(self._database)}", secrets.find_keyring()
        )
        self.settings = Settings(self._database, store, self.workspace.path)
        self.servers = Servers(self._database, store)
        self.catalogue = Catalogue(self.servers, self._database, self.workspace.path / "studio" / "previews")
        self.queue = RunQueue(self._database, self.workspace)
        self.models = Models(self.workspace)
        self._supervisor = Supervisor(
            self.queue,
            may_start=lambda run: run.source == RunSource.STUDIO,
            environment=self._login,
            not_inherited=_NOT_INHERITED,
            on_end=self._send_message,
            command=command,
        )
        self._lock = contextlib.ExitStack()

    def start(self) -> None:
        """Follow the runs of the workspace, and start waiting ones from now on, in a thread.

        Raises:
            LockedError: Another studio uses this workspace.
        """
        busy = f"{self.workspace.path}: another studio uses this workspace; expected none. Use that one, or stop it."
        self._lock.enter_context(file_lock(self.workspace.path / "studio" / ".lock", busy))
        self._supervisor.start()

    def close(self) -> None:
        """Stop starting runs; those that run continue, and the next studio follows them."""
        self._supervisor.close()
        self._lock.close()
        self._database.close()

    def _login(self, run: Run) -> dict[str, str]:
        return {} if run.server_id is None else self.servers.environment(run.server_id)

    def _send_message(self, run: Run) -> list[str]:
        base = self.settings.link_base
        message = run_message(run, self.workspace, f"{base}/runs/{run.id}" if base else "")
        return deliver(self.settings.notifications(), message)


def _identity(database: Database) -> str:
    """Return what distinguishes this workspace from others, wherever it is moved."""
    statement = "INSERT INTO settings VALUES ('identity', ?) ON CONFLICT (name) DO NOTHING"
    database.change(statement, (uuid.uuid4().hex,))
    return database.rows("SELECT value FROM settings WHERE name = 'identity'")[0]["value"]
