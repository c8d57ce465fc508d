"""The login to CVAT as the command line has it; without cvat-sdk, which takes long to load."""

from dataclasses import dataclass, field

from preannotate.core.http import server_url
from preannotate.cvat.errors import CvatError

# Where cvat-sdk, and so every command here, finds a login.
TOKEN_VARIABLE, PASSWORD_VARIABLE = "CVAT_ACCESS_TOKEN", "PASS"


@dataclass(frozen=True)
class Login:
    """Login from the command line; the rest is in the environment and in cvat-sdk's profiles.

    Attributes:
        url: Of CVAT; None uses the profile's, or the SDK's default.
        user: Name; its password comes from PASS or a prompt. None: access token, else the user of this machine.
        profile: Name of a profile, instead of `url` and `user`.
        organization: Short name; "" is the personal workspace, None is the server's default.
        insecure: Accept any certificate.
        token: Access token, for programs that keep logins themselves; the environment is not read then.
        password: Of the user; likewise.
    """

    url: str | None = None
    user: str | None = None
    profile: str | None = None
    organization: str | None = None
    insecure: bool = False
    token: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def check_login(login: Login) -> None:
    """Check the settings without connecting.

    Raises:
        CvatError: Two settings contradict each other, or a password would be seen by others.
        AddressError: The URL is wrong.
    """
    if login.url is not None:
        server_url("--cvat", login.url)
    if login.user and ":" in login.user:
        raise CvatError(
            "--auth: a password on the command line, where every user of this machine can read it; expected the "
            "user's name alone. Put the password into PASS, or wait for the prompt."
        )
    if login.profile is not None and (login.url is not None or login.user is not None):
        raise CvatError(
            "--profile: with --cvat or --auth; expected it alone, because it contains both. Leave the others out."
        )


def check_sdk(command: str) -> None:
    """Raise a CvatError that names the command if cvat-sdk, which is an extra, is not installed."""
    try:
        import cvat_sdk  # noqa: F401
    except ModuleNotFoundError as error:
        raise CvatError(
            f"{command}: cvat-sdk is not installed; expected it for every command that connects to CVAT. "
            "Run: pip install 'preannotate[cvat]'"
        ) from error
