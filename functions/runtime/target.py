"""Which nuclio function this is, and whether a request is meant for it.

nuclio's dashboard keeps the addresses of containers. After a restart of Docker they belong to others, and a request for
one function reaches another, which would answer it with boxes of the wrong model. The dashboard names the function that
it means in a header.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime import bounded_yaml
from runtime.errors import MisdirectedError
from runtime.processors import DEPLOYED

HEADER = "x-nuclio-target"
# nuclio's processor sets it for its workers, also where `nuctl deploy NAME` has renamed the function.
NAME = "NUCLIO_FUNCTION_NAME"


def function_name(config: Path = DEPLOYED) -> str:
    """Return the name under which nuclio runs this function; "" if nobody says, as outside of nuclio."""
    if found := os.environ.get(NAME, ""):
        return found
    try:
        return str(bounded_yaml.read(config)["metadata"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def check_target(event: Any, name: str) -> None:
    """Refuse a request whose header names other functions.

    Args:
        event: `nuclio_sdk.Event`; only its `headers` are read: names in any case, names and values text or bytes.
        name: From `function_name`; "" accepts everything.

    Raises:
        MisdirectedError: The header is there, and `name` is not among its names.
    """
    headers = getattr(event, "headers", None)
    if not name or not isinstance(headers, Mapping):
        return
    wanted = [_text(value) for key, value in headers.items() if _text(key).lower() == HEADER]
    names = [part.strip() for value in wanted for part in value.split(",") if part.strip()]
    if names and name not in names:
        raise MisdirectedError(
            f"X-Nuclio-Target: {', '.join(names)[:100]!r}, and this is {name!r}: nuclio calls the address of another "
            f"container; expected a request for {name!r}. Deploy both functions again."
        )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
