"""What can go wrong while serving.

ServeError (RuntimeError)
├── DirectoryError (ValueError)   a function directory cannot be listed or started as it is
├── StartError                    a worker ended, or gave up, before it could answer
└── InvocationError               one request was not answered; has the HTTP status
    ├── BodyTooSlow        408    the body did not arrive in time
    ├── BodyTooLarge       413    more than maxRequestBodySize
    ├── FunctionNotReady   503    no worker could be started
    ├── TooManyBytes       503    the bodies held for others leave no room
    ├── QueueFull          503    too many requests wait already
    ├── NoWorkerFree       503    all are busy for too long
    ├── WorkerDied         503    the worker ended in the middle of the request
    ├── HandlerTimedOut    504    the handler took longer than eventTimeout
    └── ClientGone         503    whoever asked has hung up, so nobody sees the status
"""

from preannotate.core.errors import PreannotateError


class ServeError(PreannotateError, RuntimeError):
    """Something is wrong while serving; one sentence says what and what to do."""


class DirectoryError(ServeError, ValueError):
    """A function directory cannot be listed or started as it is."""


class StartError(ServeError):
    """A worker ended, or gave up, before it could answer."""


class InvocationError(ServeError):
    """One request was not answered.

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
    """Whoever asked hung up before a worker was free; no worker is spent on it."""
