"""Login with the studio's token: a guesser is slowed down, and nobody else.

After a few wrong tokens an address has to wait, each time twice as long; what is tried meanwhile is not looked at and
makes the wait no longer. Addresses wait each for themselves, so that no guesser keeps others out. A browser that has
logged in before has a cookie that says so and waits for itself too: it may share its address with a guesser, as all do
behind a proxy. Sessions that have begun are not touched by any of this.

Source: OWASP, "Slow Down Online Guessing Attacks with Device Cookies".
"""

import hashlib
import hmac
import math
import re
import threading
import time
from collections.abc import Callable
from secrets import token_hex
from urllib.parse import urlsplit

from preannotate.core import secrets
from preannotate.serving.connection_limiter import network_of
from preannotate.studio.errors import StudioError

VARIABLE = "PREANNOTATE_STUDIO_TOKEN"
TOKEN = secrets.token(VARIABLE, StudioError)
# Wrong tokens before the first wait, and the seconds of the longest wait.
FREE_FAILURES = 5
LONGEST_WAIT = 60.0
# Without another wrong token, an address is forgotten after so long.
FORGET_SECONDS = 900.0
_MOST_ADDRESSES = 2000
_KNOWN = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{64})")


class Authenticator:
    """Checks tokens, and slows down whoever sends wrong ones."""

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Require `token`; with "" no login is required."""
        self.required = bool(token)
        self._digest = hashlib.sha256(token.encode()).digest()
        self._known_key = hashlib.sha256(b"known browser:" + token.encode()).digest()
        self._clock = clock
        # Number of wrong tokens and the time of the last one, the latest at the end.
        self._failures: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def wait_seconds(self, address: str, known: str = "") -> int:
        """Return how long somebody has to wait before the next attempt; 0 if it may come now.

        `known` is the cookie of a browser that may have logged in before.
        """
        with self._lock:
            count, last = self._failures.get(self._who(address, known), (0, 0.0))
        if count < FREE_FAILURES:
            return 0
        wait = min(2.0 ** (count - FREE_FAILURES), LONGEST_WAIT)
        return max(0, math.ceil(last + wait - self._clock()))

    def admits(self, address: str, token: str, known: str = "") -> bool:
        """Return whether the token is right, and count a wrong one."""
        right = hmac.compare_digest(hashlib.sha256(token.strip().encode("utf-8", "replace")).digest(), self._digest)
        who, now = self._who(address, known), self._clock()
        with self._lock:
            count, last = self._failures.pop(who, (0, now))
            if self.required and right:
                return True
            self._failures[who] = (1 if now - last > FORGET_SECONDS else count + 1), now
            while len(self._failures) > _MOST_ADDRESSES:
                del self._failures[next(iter(self._failures))]
        return False

    def known_cookie(self) -> str:
        """Return the value of the cookie for a browser that has just logged in; it admits nobody."""
        number = token_hex(16)
        return f"{number}.{self._sign(number)}"

    def _who(self, address: str, known: str) -> str:
        """Who waits: a browser that has logged in before, else an address; of IPv6 the network of one customer."""
        match = _KNOWN.fullmatch(known)
        if match is not None and hmac.compare_digest(match[2], self._sign(match[1])):
            return f"browser {match[1]}"
        return network_of(address) or address[:100]

    def _sign(self, number: str) -> str:
        return hmac.new(self._known_key, number.encode(), hashlib.sha256).hexdigest()


def own_path(text: str, otherwise: str = "/") -> str:
    """Return a redirect target if it is a path of the studio, else `otherwise`: never another site."""
    if not re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", text):  # printable ASCII without the backslash
        return otherwise
    parts = urlsplit(text)
    return text if not parts.scheme and not parts.netloc and not parts.path.startswith("/login") else otherwise
