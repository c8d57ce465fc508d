"""Whether a request that changes something comes from a page of the studio.

Three things are asked, each of which would be enough in a browser of today: where the request comes from
(Sec-Fetch-Site and Origin), a session's cookie that no other site can have sent (SameSite=Strict), and the token that
only a page of the same session shows.
"""

from collections.abc import Mapping

TOKEN_FIELD = "form_token"
SAFE_METHODS = ("GET", "HEAD")
# "none" is a person at the address bar or the reload button.
_OWN_SITES = ("same-origin", "none")


def comes_from_elsewhere(headers: Mapping[str, str], scheme: str) -> bool:
    """Whether the browser says that another site made this request.

    Args:
        headers: Of the request.
        scheme: Of the request, "http" or "https". A proxy in front may speak another, so only the rest is compared.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in _OWN_SITES:
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    host = headers.get("host", "").casefold()
    return origin.casefold() not in {f"{scheme}://{host}", f"https://{host}"}
