"""What can go wrong in the loop around trainer and builder."""


class PreannotateError(Exception):
    """Something a user can mend; the command line prints it without a traceback."""


class DemoError(PreannotateError, RuntimeError):
    """A step of the demonstration failed."""


class ReportError(PreannotateError, ValueError):
    """The page of a run cannot be written as asked."""
