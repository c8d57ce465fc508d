"""Names that CVAT, nuclio, Docker and Kubernetes all accept; imports nothing heavy."""

import re

from builder.errors import BuildError
from builder.variants import VARIANTS

# Valid as a Docker container, as a Kubernetes name behind `nuclio-` (63 characters), and as CVAT's id.
NAME_PATTERN = re.compile(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?")
RESERVED_NAMES = ("dashboard", "controller", "dlx", "scaler")
# `functions/` is on Python's path in a development install: there a folder of this name would stand in for the package.
PACKAGE_NAMES = ("runtime", *(variant.engine for variant in VARIANTS.values()))


def check_name(name: str) -> None:
    """Refuse a name that some platform on the way would refuse, or that collides.

    Raises:
        BuildError: With the rule.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise BuildError(
            f"--name: {name!r}; expected 1 to 52 lower-case letters, digits and hyphens, with no hyphen at "
            f"either end. Choose another name."
        )
    if name in RESERVED_NAMES:
        raise BuildError(f"--name: {name!r} is nuclio's own; expected another name. Choose one.")
    if name in PACKAGE_NAMES:
        raise BuildError(f"--name: {name!r} is the name of a Python package; expected another name. Choose one.")
    suffixes = [variant.suffix for variant in VARIANTS.values() if variant.suffix]
    if name.endswith(tuple(suffixes)):
        raise BuildError(
            f"--name: {name!r} ends as the names of variants do; expected none of {', '.join(suffixes)} "
            f"at the end. Choose another name."
        )
