import hashlib
import re
from dataclasses import replace

import pytest
from support.web_server import web_server

from preannotate.model_catalogue import files
from preannotate.model_catalogue.entries import find
from preannotate.model_catalogue.files import FileNotHereError

CONTENT = b"\x08\x07 a network of a few bytes" * 10
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, no_proxies):
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.delenv("PREANNOTATE_OFFLINE", raising=False)
    return tmp_path / "weights"


@pytest.fixture
def site():
    with web_server() as found:
        found.answers = {"/a.onnx": (200, CONTENT)}
        yield found


def published(site, **changes):
    """A model at the address of the test's server, which is not https: entries are checked where they are read."""
    facts = {"size": len(CONTENT), "sha256": SHA256} | changes
    return replace(find("coco-fastestdet"), address=f"{site.url}/a.onnx", **facts)


def refused(reason, model, site):
    sentence = (
        f"coco-fastestdet: its file is not on this machine and cannot be downloaded ({reason}); expected a.onnx. "
        f"Download it elsewhere from {site.url}/a.onnx and run: preannotate get coco-fastestdet --from a.onnx"
    )
    with pytest.raises(FileNotHereError, match=f"^{re.escape(sentence)}$"):
        files.find_or_download(model)


def test_a_file_is_downloaded_once(site):
    model = published(site)
    assert files.kept(model) is None

    found = files.find_or_download(model)

    assert found.path.read_bytes() == CONTENT
    assert (found.source, found.sha256, found.path.suffix) == (model.address, SHA256, ".onnx")
    assert files.find_or_download(model) == files.kept(model) == found
    assert len(site.requests) == 1


def test_another_file_than_the_published_one_is_refused(site, folder):
    wrong = "0" * 64
    refused(
        f"the answer has SHA-256 {SHA256} in place of {wrong}, that was published", published(site, sha256=wrong), site
    )
    refused(f"the answer has {len(CONTENT)} bytes in place of 1000", published(site, size=1000), site)
    site.answers = {"/a.onnx": (200, b"<html>log in</html>" * 10)}
    refused("the answer is another file", published(site, size=None, sha256=None), site)
    site.answers = {}
    refused("status 404", published(site), site)
    assert files.kept(published(site)) is None


def test_without_a_published_digest_that_of_the_first_download_counts(site):
    model = published(site, size=None, sha256=None)
    found = files.find_or_download(model)
    found.path.unlink()
    assert files.find_or_download(model) == found

    found.path.write_bytes(b"changed")
    site.answers = {"/a.onnx": (200, b"other" * 100)}
    other = hashlib.sha256(b"other" * 100).hexdigest()
    refused(f"the answer has SHA-256 {other} in place of {SHA256}, of the first download", model, site)


def test_a_later_catalogue_gets_the_file_that_it_names(site):
    files.find_or_download(published(site))
    later = b"\x08\x08 the next release" * 10
    site.answers = {"/a.onnx": (200, later)}

    found = files.find_or_download(published(site, size=len(later), sha256=hashlib.sha256(later).hexdigest()))
    assert found.path.read_bytes() == later


def test_nothing_is_downloaded_where_that_is_switched_off(site, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_OFFLINE", "1")

    refused("PREANNOTATE_OFFLINE is set", published(site), site)
    assert site.requests == []


def test_a_model_without_an_address_wants_an_export():
    with pytest.raises(FileNotHereError, match=r"^coco-ssdlite: its authors publish no file of this kind; expected an"):
        files.find_or_download(find("coco-ssdlite"))


def test_a_file_that_was_brought_counts_from_then_on(site, tmp_path):
    (tmp_path / "mine.onnx").write_bytes(CONTENT)
    found, note = files.bring(published(site), tmp_path / "mine.onnx")

    assert (found.source, note) == ("mine.onnx", "")
    assert files.find_or_download(published(site)) == found
    assert site.requests == []
    (tmp_path / "other.onnx").write_bytes(b"another export")
    found, note = files.bring(published(site), tmp_path / "other.onnx")
    assert found.path.read_bytes() == b"another export"
    assert note.startswith("other.onnx is not the file that its authors publish (SHA-256 ")
    _, note = files.bring(published(site, sha256=None), tmp_path / "other.onnx")
    assert note == ""


def test_what_is_not_brought(site, tmp_path):
    (tmp_path / "large.onnx").write_bytes(bytes(5 * len(CONTENT)))

    with pytest.raises(FileNotHereError, match=r"^large\.onnx: more than 0 MiB; expected a\.onnx of coco-fastestdet\."):
        files.bring(published(site), tmp_path / "large.onnx")
    for path in (tmp_path, tmp_path / "missing.onnx"):
        with pytest.raises(FileNotHereError, match=r"^--from: '.*' is not a file; expected a\.onnx of coco-fastestdet"):
            files.bring(published(site), path)
