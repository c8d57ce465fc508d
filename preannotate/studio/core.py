"""The studio as one object: opened on a workspace, started, closed."""

import sys
from collections.abc import Sequence

from preannotate.loop.workspace import Workspace
from preannotate.studio.catalogue import Catalogue
from preannotate.studio.models import Models
from preannotate.studio.queue import Queue
from preannotate.studio.servers import Servers
from preannotate.studio.settings import Settings

# What a run is a child process of; tests put a script of their own in its place.
COMMAND = (sys.executable, "-m", "preannotate")


class Studio:
    """Everything behind the page; all methods may be called from several threads.

    Attributes:
        workspace: Where models and functions are.
        servers: Saved CVAT servers and their logins.
        catalogue: Projects and tasks of these servers.
        queue: Runs.
        models: Models with their versions.
        settings: What is kept between restarts.
    """

    servers: Servers
    catalogue: Catalogue
    queue: Queue
    models: Models
    settings: Settings

    def __init__(
        self, workspace: Workspace, *, simultaneous: int | None = None, command: Sequence[str] = COMMAND
    ) -> None:
        """Open WORKSPACE/studio.sqlite, which is made if it is not there; starts nothing.

        Args:
            workspace: Where models and functions are.
            simultaneous: Runs at a time; None takes what the settings say (1 if they say nothing).
            command: Of a run's process, before the name of the subcommand.

        Raises:
            StudioError: The database is of a newer version of the studio, or another studio has it open.
        """
        self.workspace = workspace
        raise NotImplementedError

    def start(self) -> None:
        """Adopt the runs that a studio before this one left, and start waiting ones from now on, in a thread."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop starting runs; those that run go on by themselves, and the next studio adopts them."""
        raise NotImplementedError
