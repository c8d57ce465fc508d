"""Jinja2 with what all templates use; every value is escaped."""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from preannotate.studio.web import template_filters

HERE = Path(__file__).parent
STATIC = HERE / "static"


class Templates:
    """The templates of the studio."""

    def __init__(self) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= template_filters.FILTERS
        self._environment.globals |= {"asset": _asset, "NOTICES": template_filters.NOTICES}

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """A page, or a piece of one."""
        return self._environment.get_template(template).render(context)


@functools.cache
def _asset(name: str) -> str:
    """The address of a file of `static`, which changes with its content."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"
