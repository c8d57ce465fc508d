"""What can go wrong while serving: as a whole, with one function, or with one request."""

from preannotate.core.errors import PreannotateError


class ServeError(PreannotateError, RuntimeError):
    """Serving failed; one sentence with the cause and what to do."""


class DirectoryError(ServeError, ValueError):
    """A function directory cannot be listed or started as it is."""


class StartError(ServeError):
    """A worker ended, or gave up, before it could answer.

    Attributes:
        killed: Whether somebody else ended it: the system for lack of memory, or a person.
    """

    def __init__(self, sentence: str, *, killed: bool = False) -> None:
        super().__init__(sentence)
        self.killed = killed


class InvocationError(ServeError):
    """A request could not be handled by the function.

    Attributes:
        status: Of the HTTP answer.
        retry_after: Seconds after which another try makes sense; None if it does not.
    """

    status = 503
    retry_after: int | None = 1


class BodyTooSlow(InvocationError):  # noqa: N818 - the names say what happened
    """The body did not arrive in time."""

    status = 408
    retry_after = None


class BodyTooLarge(InvocationError):  # noqa: N818
    """The body exceeds the trigger's maxRequestBodySize."""

    status = 413
    retry_after = None


class FunctionNotReady(InvocationError):  # noqa: N818
    """No worker of the function could be started; another try comes in minutes, or once its directory changes."""

    retry_after = None


class TooManyBytes(InvocationError):  # noqa: N818
    """The bodies of other requests take the memory that is set apart for request bodies."""


class QueueFull(InvocationError):  # noqa: N818
    """As many requests as may wait are waiting for a worker already."""


class NoWorkerFree(InvocationError):  # noqa: N818
    """All workers were busy for longer than the trigger lets a request wait."""


class WorkerDied(InvocationError):  # noqa: N818
    """The worker process ended in the middle of the request."""


class HandlerTimedOut(InvocationError):  # noqa: N818
    """The handler took longer than eventTimeout; its worker was killed."""

    status = 504
    retry_after = None


class ClientGone(InvocationError):  # noqa: N818
    """The client disconnected before a worker was free, so nobody sees the status; no worker is spent on it."""
