"""The studio as one object: opened on a workspace, started, closed."""

import sys
import uuid
from collections.abc import Sequence

from preannotate.jobs.database import Database
from preannotate.jobs.queue import RunQueue
from preannotate.jobs.supervisor import Supervisor
from preannotate.registry.workspace import Workspace
from preannotate.studio import secrets
from preannotate.studio.catalogue import Catalogue
from preannotate.studio.models import Models
from preannotate.studio.previews import PreviewCache
from preannotate.studio.servers import Servers
from preannotate.studio.settings import Settings

# What a run is a child process of; tests put a script of their own in its place.
COMMAND = (sys.executable, "-m", "preannotate")


class Services:
    """Everything behind the page; all methods may be called from several threads.

    Attributes:
        workspace: Where models and functions are.
        servers: Saved CVAT servers and their logins.
        catalogue: Projects and tasks of these servers.
        queue: Runs.
        models: Models with their versions.
        settings: What is kept between restarts.
    """

    def __init__(
        self, workspace: Workspace, *, simultaneous: int | None = None, command: Sequence[str] = COMMAND
    ) -> None:
        """Open WORKSPACE/studio.sqlite, which is made if it is not there; starts nothing.

        Args:
            workspace: Where models and functions are.
            simultaneous: Runs at a time; None takes what the settings say (1 if they say nothing).
            command: Of a run's process, before the name of the subcommand.

        Raises:
            StudioError: The database is of a newer version of the studio, or none.
        """
        self.workspace = Workspace(workspace.path.resolve())  # a run has another working directory
        self._database = Database(self.workspace.path / "studio.sqlite")
        store = secrets.SecretStore(
            self.workspace.path / ".secrets", f"preannotate studio {_identity(self._database)}", secrets.find_keyring()
        )
        self.settings = Settings(self._database, store, self.workspace.path)
        self.servers = Servers(self._database, store)
        previews = PreviewCache(self.workspace.path / "studio" / "previews")
        self.catalogue = Catalogue(self.servers, self._database, previews)
        self.queue = RunQueue(self._database, self.workspace, self.servers, self.settings)
        self.models = Models(self.workspace)
        self._runner = Supervisor(
            self.queue,
            self.workspace,
            self.servers,
            self.settings,
            command=tuple(command),
            simultaneous=simultaneous,
        )

    def start(self) -> None:
        """Adopt the runs that a studio before this one left, and start waiting ones from now on, in a thread.

        Raises:
            StudioError: Another studio works on this workspace.
        """
        self._runner.start()

    def close(self) -> None:
        """Stop starting runs; those that run go on by themselves, and the next studio adopts them."""
        self._runner.close()
        self._database.close()


def _identity(database: Database) -> str:
    """What tells this workspace from others, wherever it is moved."""
    statement = "INSERT INTO settings VALUES ('identity', ?) ON CONFLICT (name) DO NOTHING"
    database.change(statement, (uuid.uuid4().hex,))
    return database.rows("SELECT value FROM settings WHERE name = 'identity'")[0]["value"]
