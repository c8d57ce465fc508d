"""cvat-sdk's own ways to log in, each until a server accepted it."""

import contextlib
import getpass
import sys

import pytest
from cvat_sdk.core.auth import AuthStore, ProfileEntry
from support.cvat_stand_in import (
    NEW,
    OLD,
    PASSWORD,
    TOKEN,
    USER,
    VERSIONS,
    FakeJob,
    FakeLabel,
    FakeTask,
    StandIn,
    picture,
    rectangle,
)

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from preannotate.core import http
from preannotate.cvat import connection
from preannotate.cvat.connection import connect
from preannotate.cvat.login import Login


@contextlib.contextmanager
def running(version):
    """With one task, and no login in the environment."""
    with StandIn(version).running() as server:
        job = FakeJob(40, 0, 0, shapes=[rectangle(0, 7, [1, 2, 30, 40])])
        server.add(FakeTask(12, [("a.png", picture(0))], [FakeLabel(7, "forklift")], [job]))
        yield server


@pytest.fixture(params=VERSIONS)
def server(request):
    """Of each version."""
    with running(request.param) as found:
        yield found


@pytest.fixture
def token_server():
    """The newer one: the older knows no access tokens."""
    with running(NEW) as found:
        yield found


@pytest.fixture
def pull(tmp_path, capsys):
    def run(*options):
        code = main(["pull", *options, "--task", "12", "--output", str(tmp_path / "pulled")])
        return code, capsys.readouterr().err

    return run


def test_an_access_token(token_server, pull, monkeypatch):
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", TOKEN)

    assert pull("--cvat", token_server.url) == (0, "")
    assert token_server.headers[-1]["Authorization"] == f"Bearer {TOKEN}"


def test_a_user_with_the_password_in_the_environment(server, pull, monkeypatch):
    monkeypatch.setenv("PASS", PASSWORD)

    assert pull("--cvat", server.url + "/", "--auth", USER) == (0, "")
    assert "Authorization" not in server.headers[-1]


def test_a_user_who_is_asked_for_the_password(server, pull, monkeypatch):
    asked = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or PASSWORD)

    assert pull("--cvat", server.url, "--auth", USER) == (0, "")
    assert asked == [f"Password for {USER} at {server.url}: "]


def test_the_user_of_this_machine_if_none_is_named(server, pull, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: USER)
    monkeypatch.setenv("PASS", PASSWORD)

    assert pull("--cvat", server.url) == (0, "")


def test_nobody_to_ask_for_the_password(server, pull):
    assert pull("--cvat", server.url, "--auth", USER) == (
        COULD_NOT_RUN,
        "error: login: no access token, and no terminal to ask for a password; expected a login. "
        "Set CVAT_ACCESS_TOKEN, or PASS with --auth USER.\n",
    )


def test_a_wrong_password(server, pull, monkeypatch):
    monkeypatch.setenv("PASS", "wrong horse")

    assert pull("--cvat", server.url, "--auth", USER) == (
        COULD_NOT_RUN,
        f"error: {server.url}: 400 for the login, the login is rejected; expected a valid login. Check the "
        f"password, or make a new access token in CVAT (Profile, Security) and set CVAT_ACCESS_TOKEN.\n",
    )


def test_a_login_whose_cookies_are_lost(server, pull, monkeypatch):
    monkeypatch.setenv("PASS", PASSWORD)
    server.fail("/api/auth/login", "no cookies")

    assert pull("--cvat", server.url, "--auth", USER) == (
        COULD_NOT_RUN,
        f"error: {server.url}: a login without a session; expected cookies. Check whether a proxy removes them, or use "
        f"an access token: CVAT_ACCESS_TOKEN.\n",
    )


def test_a_login_over_a_network_without_tls_is_noted(token_server, monkeypatch):
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", TOKEN)
    monkeypatch.setattr(connection, "LOOPBACK_NAMES", ())

    assert connect(Login(token_server.url)).notes == (
        "the login is sent unencrypted: use https:// unless the network is yours alone.",
    )


def test_an_access_token_on_a_server_that_knows_none(pull, monkeypatch):
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", TOKEN)

    with running(OLD) as server:
        code, said = pull("--cvat", server.url)

    assert (code, said.split(";")[0]) == (
        COULD_NOT_RUN,
        f"error: {server.url}: 401 for task 12, the login is rejected",
    )


@pytest.fixture
def profile(token_server):
    """Saved as `cvat-cli profile create` does; the first one is the default."""
    AuthStore().put_profile("work", ProfileEntry(token_server.url, TOKEN, "2026-11-02T10:00:00Z"))
    return token_server


def test_a_profile(profile, pull):
    assert pull("--profile", "work") == (0, "")
    assert profile.headers[-1]["Authorization"] == f"Bearer {TOKEN}"


def test_the_default_profile_if_nothing_is_said(profile, pull):
    assert pull() == (0, "")


def test_an_unknown_profile(profile, pull):
    assert pull("--profile", "home") == (
        COULD_NOT_RUN,
        "error: login: Unknown profile 'home'; expected a login that cvat-sdk can use. "
        "Run `cvat-cli profile list` to see the profiles.\n",
    )


def test_a_store_of_profiles_that_others_can_read(profile, pull):
    AuthStore().path.chmod(0o644)

    code, said = pull("--profile", "work")

    assert code == COULD_NOT_RUN
    assert said.startswith("error: login: Refusing to use ")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--auth", f"{USER}:{PASSWORD}"),
            "--auth: a password on the command line, where every user of this machine can read it; expected the user's "
            "name alone. Put the password into PASS, or wait for the prompt.",
        ),
        (
            ("--profile", "work", "--cvat", "http://localhost"),
            "--profile: with --cvat or --auth; expected it alone, because it contains both. Leave the others out.",
        ),
        (
            ("--cvat", "http://ann:secret@localhost"),
            "--cvat: a URL with a login in it; expected one without. "
            "Put the login into the environment: CVAT_ACCESS_TOKEN.",
        ),
        (
            ("--cvat", "localhost:8080"),
            "--cvat: 'localhost:8080'; expected a URL, as in http://localhost:8080. Write it with http://.",
        ),
    ],
)
def test_what_the_command_line_must_not_say(pull, options, sentence):
    assert pull(*options) == (COULD_NOT_RUN, f"error: {sentence}\n")


def test_no_password_is_sent_to_what_is_no_cvat(server, pull, monkeypatch):
    monkeypatch.setenv("PASS", PASSWORD)
    server.fail("/api/server/about", "garbage")

    pull("--cvat", server.url, "--auth", USER)

    assert server.asked("POST") == []


def test_a_server_that_is_older_than_any_that_was_tried(server, monkeypatch):
    monkeypatch.setenv("PASS", PASSWORD)
    server.version = "2.9.1"

    assert connect(Login(server.url, USER)).notes == ("CVAT 2.9.1 is older than 2.15, the oldest tested version.",)


def test_a_program_that_keeps_logins_itself_needs_no_environment(server, monkeypatch):
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", "somebody-elses")
    monkeypatch.setenv("PASS", "somebody else's")
    login = Login(server.url, token=TOKEN) if server.new else Login(server.url, USER, password=PASSWORD)

    server = connect(login)
    assert server.task(12)["id"] == 12


def test_no_text_of_a_login_shows_its_secrets():
    assert "geheim" not in repr(Login("http://localhost", "ann", token="geheim-1", password="geheim-2"))


def test_a_development_build_is_as_old_as_its_release(server, monkeypatch):
    monkeypatch.setenv("PASS", PASSWORD)
    server.version = "2.15.0.dev20240702123822"

    assert connect(Login(server.url, USER)).notes == ()


def test_without_cvat_sdk(pull, monkeypatch):
    monkeypatch.setitem(sys.modules, "cvat_sdk", None)

    assert pull("--cvat", "http://localhost") == (
        COULD_NOT_RUN,
        "error: pull: cvat-sdk is not installed; expected it for every command that connects to CVAT. "
        "Run: pip install 'preannotate[cvat]'\n",
    )


def test_the_stand_in_refuses_a_request_for_plain_json_as_cvat_does(newest):
    headers = {"Accept": "application/json"}

    assert http.request("GET", f"{newest.url}/api/server/about", headers=headers).status == 406
