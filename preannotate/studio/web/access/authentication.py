"""Login with the studio's token, with a rate limit."""

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from preannotate.core import secrets
from preannotate.studio.errors import StudioError

VARIABLE = "PREANNOTATE_STUDIO_TOKEN"
TOKEN = secrets.token(VARIABLE, StudioError)
MOST_FAILURES = 5
# Of all addresses together: many addresses must not get around the limit.
MOST_FAILURES_OF_ALL = 100
WINDOW_SECONDS = 300
_MOST_ADDRESSES = 2000


class Authenticator:
    """Checks tokens, and limits failures by address."""

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Require `token`; with "" no login is required."""
        self.required = bool(token)
        self._digest = hashlib.sha256(token.encode()).digest()
        self._clock = clock
        self._failures: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def wait_seconds(self, address: str) -> int:
        """Return how long an address has to wait before its next attempt; 0 if it may try now."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            own = list(self._failures.get(address, ()))
            everybody = sorted(at for times in self._failures.values() for at in times)
        limits = ((own, MOST_FAILURES), (everybody, MOST_FAILURES_OF_ALL))
        waits = [times[-most] + WINDOW_SECONDS - now for times, most in limits if len(times) >= most]
        return int(max(waits)) + 1 if waits and max(waits) > 0 else 0

    def admits(self, address: str, token: str) -> bool:
        """Return whether the token is right, and count a wrong one."""
        right = hmac.compare_digest(hashlib.sha256(token.strip().encode("utf-8", "replace")).digest(), self._digest)
        with self._lock:
            if self.required and right:
                self._failures.pop(address, None)
                return True
            self._failures.setdefault(address, []).append(self._clock())
            while len(self._failures) > _MOST_ADDRESSES:
                del self._failures[next(iter(self._failures))]
        return False

    def _forget(self, now: float) -> None:
        recent = {
            address: [at for at in times if now - at < WINDOW_SECONDS] for address, times in self._failures.items()
        }
        self._failures = {address: times for address, times in recent.items() if times}


def own_path(text: str, otherwise: str = "/") -> str:
    """Return a redirect target if it is a path of the studio, else `otherwise`: never another site."""
    if not re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", text):  # printable ASCII without the backslash
        return otherwise
    parts = urlsplit(text)
    return text if not parts.scheme and not parts.netloc and not parts.path.startswith("/login") else otherwise
