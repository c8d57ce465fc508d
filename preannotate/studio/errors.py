"""Exceptions of the studio."""

from preannotate.core.errors import PreannotateError


class StudioError(PreannotateError, ValueError):
    """A request to the studio that cannot be fulfilled: one sentence with the reason and what to do."""


class PageError(PreannotateError):
    """A page that cannot be shown; has the status of the HTTP answer and the title of the error page."""

    def __init__(self, status: int, title: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.title = status, title
