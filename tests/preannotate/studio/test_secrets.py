"""Secrets in a keyring, else in files of their owner; never where others can read them."""

import re
import stat

import pytest

from preannotate.studio.errors import StudioError
from preannotate.studio.secrets import SecretStore, find_keyring


class FakeKeyring:
    """Keeps secrets in memory; `broken` is a keyring that is locked."""

    def __init__(self, *, broken=False):
        self.kept, self.broken = {}, broken

    def _look(self):
        if self.broken:
            raise RuntimeError("locked")

    def get_password(self, service, username):
        self._look()
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self._look()
        self.kept[service, username] = password

    def delete_password(self, service, username):
        self._look()
        del self.kept[service, username]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "workspace" / ".secrets"


def test_a_secret_comes_back_until_it_is_removed(folder):
    store = SecretStore(folder, "studio", None)
    assert store.get("server-1") == ""
    store.set("server-1", "gehéim\n")
    store.set("server-1", "zweites")
    assert SecretStore(folder, "studio", None).get("server-1") == "zweites"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "server-1")] == [0o700, 0o600]

    store.remove("server-1")
    store.remove("server-1")
    assert (store.get("server-1"), list(folder.iterdir())) == ("", [])


def test_an_empty_secret_is_forgotten(folder):
    store = SecretStore(folder, "studio", None)
    store.set("server-1", "geheim")
    store.set("server-1", "")

    assert list(folder.iterdir()) == []


def test_a_keyring_leaves_no_file(folder):
    keyring = FakeKeyring()
    store = SecretStore(folder, "studio", keyring)
    store.set("server-1", "geheim")

    assert keyring.kept == {("studio", "server-1"): "geheim"}
    assert store.get("server-1") == "geheim"
    assert not folder.exists()
    store.remove("server-1")
    assert keyring.kept == {}


def test_a_keyring_that_is_locked_leads_to_a_file(folder):
    keyring = FakeKeyring(broken=True)
    store = SecretStore(folder, "studio", keyring)
    store.set("server-1", "geheim")
    assert store.get("server-1") == "geheim"

    keyring.broken = False
    assert store.get("server-1") == "geheim"  # from the file
    store.set("server-1", "neu")
    assert (keyring.kept, list(folder.iterdir())) == ({("studio", "server-1"): "neu"}, [])


@pytest.mark.parametrize("loose", ["file", "folder"])
def test_what_others_can_get_at_is_refused(folder, loose):
    store = SecretStore(folder, "studio", None)
    store.set("server-1", "geheim")
    path, mode, expected = (folder / "server-1", "0640", "0600") if loose == "file" else (folder, "0755", "0700")
    path.chmod(int(mode, 8))
    sentence = (
        f"{path}: mode {mode}, so other users could have read it; expected {expected}. Run chmod {expected[1:]} {path} "
        f"and replace the tokens and passwords in it."
    )

    with pytest.raises(StudioError, match=f"^{re.escape(sentence)}$"):
        store.get("server-1")


def test_nothing_is_written_into_a_folder_that_others_can_get_at(folder):
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    with pytest.raises(StudioError, match="mode 0755, so other users could have read it; expected 0700"):
        SecretStore(folder, "studio", None).set("server-1", "geheim")
    assert list(folder.iterdir()) == []


def test_a_link_is_not_followed(folder, tmp_path):
    store = SecretStore(folder, "studio", None)
    store.set("server-1", "geheim")
    (folder / "server-1").rename(tmp_path / "elsewhere")
    (folder / "server-1").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StudioError, match=re.escape("expected a file of mode 0600. Log in again.")):
        store.get("server-1")


@pytest.mark.parametrize("name", ["../etc", "a/b", "", "Server", ".new"])
def test_names_that_lead_elsewhere(folder, name):
    sentence = f"secret {name!r}: not a name; expected lower-case letters, digits and '-'."
    with pytest.raises(StudioError, match=re.escape(sentence)):
        SecretStore(folder, "studio", None).set(name, "geheim")


@pytest.mark.parametrize(("priority", "used"), [(5, True), (0, False), (-1, False)])
def test_only_a_keyring_that_keeps_things_is_used(monkeypatch, priority, used):
    keyring = pytest.importorskip("keyring")
    backend = FakeKeyring()
    backend.priority = priority
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)

    assert find_keyring() is (backend if used else None)


def test_no_text_of_it_shows_a_secret(folder):
    store = SecretStore(folder, "studio", None)
    store.set("server-1", "geheim")

    assert "geheim" not in repr(store) + str(vars(store))
