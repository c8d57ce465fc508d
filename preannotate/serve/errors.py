"""What can go wrong while serving.

ServeError (RuntimeError)
├── DirectoryError (ValueError)   a function directory cannot be listed or started as it is
├── StartError                    a worker ended, or gave up, before it could answer
└── InvocationError               one request was not answered; has the HTTP status that nuclio would give
    ├── BodyTooLarge       413
    ├── FunctionNotReady   503    no worker could be started
    ├── NoWorkerFree       503    all are busy for too long
    ├── WorkerDied         503    the worker ended in the middle of the request
    └── HandlerTimedOut    408    the handler took longer than eventTimeout
"""


class ServeError(RuntimeError):
    """Something is wrong while serving; one sentence says what and what to do."""


class DirectoryError(ServeError, ValueError):
    """A function directory cannot be listed or started as it is."""


class StartError(ServeError):
    """A worker ended, or gave up, before it could answer."""


class InvocationError(ServeError):
    """One request was not answered."""

    status = 500


class BodyTooLarge(InvocationError):  # noqa: N818 - the names say what happened
    """The body exceeds the trigger's maxRequestBodySize."""

    status = 413


class FunctionNotReady(InvocationError):  # noqa: N818
    """No worker of the function could be started."""

    status = 503


class NoWorkerFree(InvocationError):  # noqa: N818
    """All workers were busy for longer than the trigger lets a request wait."""

    status = 503


class WorkerDied(InvocationError):  # noqa: N818
    """The worker process ended in the middle of the request."""

    status = 503


class HandlerTimedOut(InvocationError):  # noqa: N818
    """The handler took longer than eventTimeout; its worker was killed."""

    status = 408
