"""HTML from templates: every value is escaped, and a name that a template does not know is an error."""

from pathlib import Path

import jinja2


def html_environment(folder: Path) -> jinja2.Environment:
    """Return the Jinja environment of the templates in `folder`."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
