"""Protection against cross-site request forgery (CSRF).

Three checks, each of which suffices in a current browser: the origin of the request (Sec-Fetch-Site and Origin), a
session cookie that other sites cannot send (SameSite=Strict), and the form token of the session.
"""

from collections.abc import Mapping

TOKEN_FIELD = "form_token"
SAFE_METHODS = ("GET", "HEAD")
# "none" is the address bar or the reload button.
_OWN_SITES = ("same-origin", "none")


def comes_from_elsewhere(headers: Mapping[str, str], scheme: str) -> bool:
    """Return whether the browser says that another site made this request.

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
