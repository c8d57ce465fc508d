"""Saved servers: logged in when they are added, and told apart from those whose login is no longer accepted."""

import os
import re
import stat

import pytest
from cvat_sdk.core.auth import AuthStore, ProfileEntry
from support.cvat_stand_in import OLD, PASSWORD, TOKEN, USER, StandIn

from preannotate.core.http import AddressError
from preannotate.cvat.errors import CvatError
from preannotate.studio.errors import StudioError
from preannotate.studio.services import Services


def everything(studio):
    """All bytes that the studio has on disk, but for the secrets' own folder."""
    folder = studio.workspace.path
    files = [path for path in folder.rglob("*") if path.is_file() and ".secrets" not in path.parts]
    return b"".join(path.read_bytes() for path in files)


def test_a_server_is_saved_after_a_login(studio, cvat, login):
    saved = studio.servers.add("warehouse", cvat.url, **login)

    assert (saved.name, saved.url, saved.user, saved.version) == ("warehouse", cvat.url, USER, cvat.version)
    assert studio.servers.list() == [saved]
    assert studio.servers.connect(saved.id).user()["username"] == USER


def test_the_secret_is_only_in_a_file_of_its_owner(studio, cvat, login):
    saved = studio.servers.add("", cvat.url, **login)
    secret = login.get("token") or login["password"]
    (file,) = (studio.workspace.path / ".secrets").iterdir()

    assert file.read_text() == secret
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert secret.encode() not in everything(studio)
    assert secret not in repr(saved) + repr(studio.servers.access(saved.id))


def test_a_child_is_logged_in_by_its_environment(studio, cvat, login):
    saved = studio.servers.add("", cvat.url, organization="dock", insecure=True, **login)
    user = [] if cvat.new else ["--auth", USER]

    assert studio.servers.environment(saved.id) == ({"CVAT_ACCESS_TOKEN": TOKEN} if cvat.new else {"PASS": PASSWORD})
    assert studio.servers.access(saved.id).login_argv() == [
        "--cvat", cvat.url, *user, "--organization", "dock", "--insecure",
    ]  # fmt: skip


def test_servers_survive_a_restart(studio, workspace, cvat, login):
    saved = studio.servers.add("warehouse", cvat.url, **login)
    studio.close()
    again = Services(workspace)

    assert again.servers.list() == [saved]
    assert again.servers.connect(saved.id).url == cvat.url
    again.close()


def test_a_wrong_password_saves_nothing(studio, cvat):
    with pytest.raises(CvatError, match="400 for the login, the login is rejected"):
        studio.servers.add("", cvat.url, user=USER, password="wrong horse")
    assert studio.servers.list() == []
    assert not (studio.workspace.path / ".secrets").exists()


def test_a_token_that_expired_marks_its_server_until_a_new_login(studio, newest):
    saved = studio.servers.add("warehouse", newest.url, token=TOKEN)
    newest.tokens = {"a-new-token"}
    sentence = (
        f"{newest.url}: the access token of {USER} is not accepted any more; expected a valid login. "
        f"Log in again in the settings."
    )

    with pytest.raises(CvatError, match=f"^{re.escape(sentence)}$"):
        studio.catalogue.tasks(saved.id)
    assert studio.servers.get(saved.id).problem == sentence

    assert studio.servers.log_in(saved.id, token="a-new-token").problem is None
    assert studio.catalogue.tasks(saved.id).count == 0


def test_a_session_that_ended_is_begun_again(studio, cvat, login):
    saved = studio.servers.add("", cvat.url, **login)
    cvat.fail("/api/tasks", "status", times=1, status=401)

    assert studio.catalogue.tasks(saved.id).count == 0
    assert studio.servers.get(saved.id).problem is None


def test_a_server_that_is_gone_is_not_taken_for_a_refused_login(studio, cvat, login):
    saved = studio.servers.add("", cvat.url, **login)
    cvat.fail("/api/tasks", "status", status=500)

    with pytest.raises(CvatError, match="500 for tasks, CVAT failed"):
        studio.catalogue.tasks(saved.id)
    assert studio.servers.get(saved.id).problem is None


def test_a_removed_server_takes_its_secret_along(studio, newest):
    saved = studio.servers.add("", newest.url, token=TOKEN)
    studio.servers.remove(saved.id)

    assert studio.servers.list() == []
    assert list((studio.workspace.path / ".secrets").iterdir()) == []
    with pytest.raises(StudioError, match=re.escape("server 1: not saved; expected a saved server. Add it again.")):
        studio.servers.connect(saved.id)


def test_two_servers_of_one_name(studio, newest):
    studio.servers.add("warehouse", newest.url, token=TOKEN)
    sentence = "server 'warehouse': the name is in use; expected another name."

    with pytest.raises(StudioError, match=re.escape(sentence)):
        studio.servers.add("warehouse", newest.url, token=TOKEN)


def test_no_login_at_all(studio):
    sentence = "login: neither or both are given; expected an access token, or a user name with a password."

    with pytest.raises(StudioError, match=re.escape(sentence)):
        studio.servers.add("", "http://localhost:1")


def test_an_address_that_is_none(studio):
    sentence = "address of CVAT: 'cvat'; expected a URL, as in http://localhost:8080. Write it with http://."
    with pytest.raises(AddressError, match=re.escape(sentence)):
        studio.servers.add("", "cvat", token=TOKEN)


def test_a_file_that_others_can_read_is_refused(studio, newest):
    saved = studio.servers.add("", newest.url, token=TOKEN)
    (file,) = (studio.workspace.path / ".secrets").iterdir()
    file.chmod(0o644)
    sentence = (
        f"{file}: mode 0644, so other users could have read it; expected 0600. Run chmod 600 {file} and "
        f"replace the tokens and passwords in it."
    )

    with pytest.raises(StudioError, match=f"^{re.escape(sentence)}$"):
        studio.servers.environment(saved.id)


def test_the_environments_own_login_is_not_used(studio, newest, monkeypatch):
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", "somebody-elses")
    saved = studio.servers.add("", newest.url, token=TOKEN)

    assert studio.servers.connect(saved.id).user()["username"] == USER
    assert os.environ["CVAT_ACCESS_TOKEN"] == "somebody-elses"


def test_profiles_of_cvat_sdk_are_offered_and_used(studio, newest):
    assert studio.servers.profiles() == {}
    AuthStore().put_profile("home", ProfileEntry(newest.url, TOKEN, ""))

    assert studio.servers.profiles() == {"home": newest.url}
    saved = studio.servers.add_profile("home")
    assert (saved.name, saved.url, saved.profile, saved.user) == ("home", newest.url, "home", USER)
    assert studio.servers.environment(saved.id) == {}
    assert studio.servers.access(saved.id).login_argv() == ["--profile", "home"]
    assert not (studio.workspace.path / ".secrets").exists()


def test_the_old_server_has_no_tokens(studio):
    with StandIn(OLD).running() as server, pytest.raises(CvatError, match="401 for the login, the login is reject"):
        studio.servers.add("", server.url, token=TOKEN)


def test_nobody_listens(studio):
    with pytest.raises(CvatError, match=r"^http://127.0.0.1:1: no connection \(connection refused\); expected CVAT to"):
        studio.servers.add("", "http://127.0.0.1:1", token=TOKEN)


@pytest.mark.parametrize(
    ("path", "fault", "sentence"),
    [
        ("/api/server/about", "garbage", "its version is not JSON; expected CVAT's response. Use CVAT's own URL."),
        ("/api/server/about", "status", "500 for its version, CVAT failed; expected a response."),
        ("/api/users/self", "vanish", "the connection broke off during the login; expected the whole response."),
    ],
)
def test_faults_of_the_network_save_nothing(studio, cvat, login, path, fault, sentence):
    cvat.fail(path, fault)
    with pytest.raises(CvatError, match=re.escape(f"{cvat.url}: {sentence}")):
        studio.servers.add("", cvat.url, **login)
    assert studio.servers.list() == []


def test_a_server_that_is_too_old(studio, newest):
    newest.version = "1.7.0"
    with pytest.raises(CvatError, match=re.escape(f"{newest.url}: CVAT 1.7.0; expected 2.15 or newer.")):
        studio.servers.add("", newest.url, token=TOKEN)
