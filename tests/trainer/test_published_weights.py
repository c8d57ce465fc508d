import hashlib
import json
import logging
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from support.web_server import web_server

from preannotate.core import published_files
from preannotate.core.errors import FileError
from preannotate.core.published_files import KeptFile
from trainer import published_weights
from trainer.errors import TrainingError
from trainer.published_weights import CATALOGUE, NotFetchedError

MODEL = "yolox-nano"
CHECKPOINT, EXPORT = b"PK\x03\x04 weights of a checkpoint", b"\x08\x07 weights of an export"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def site(monkeypatch):
    """A server in place of the official one, which has nothing yet."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("PREANNOTATE_OFFLINE", raising=False)
    with web_server() as found:
        address = f"{found.url}/yolox_nano.pth"
        monkeypatch.setitem(CATALOGUE, MODEL, replace(CATALOGUE[MODEL], address=address, max_bytes=1000))
        yield found


def check(path):
    if b"weights" not in path.read_bytes():
        raise TrainingError(f"{path.name}: no weights.")


def file(folder, name, content):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def names(folder):
    """Of what is in the folder, without locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.is_dir() else []


def test_the_official_files_are_named():
    assert list(CATALOGUE) == ["yolox-nano", "yolox-tiny", "yolox-s"]
    release = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
    assert CATALOGUE["yolox-tiny"].address == f"{release}/yolox_tiny.pth"
    assert CATALOGUE["yolox-tiny"].export == f"{release}/yolox_tiny.onnx"
    assert {weights.licence for weights in CATALOGUE.values()} == {"Apache-2.0"}


def test_nothing_is_here_at_first_and_looking_creates_nothing(folder):
    assert published_weights.find(MODEL) is None
    assert not folder.exists()


@pytest.mark.parametrize(
    ("content", "suffix"), [(CHECKPOINT, ".pth"), (b"\x80\x02 weights", ".pth"), (EXPORT, ".onnx")]
)
def test_a_file_is_kept_whatever_it_is_called(tmp_path, folder, content, suffix):
    digest = hashlib.sha256(content).hexdigest()
    path = published_weights.keep(MODEL, file(tmp_path, "download (1)", content), check)

    assert path == published_weights.find(MODEL)
    assert path.read_bytes() == content
    assert path.suffix == suffix
    assert published_weights.kept(MODEL) == KeptFile(path, "download (1)", len(content), digest)
    assert names(folder) == sorted([path.name, "yolox-nano.json"])
    assert published_weights.find("yolox-s") is None


def test_a_model_with_masks_has_the_weights_of_its_detector(tmp_path, folder):
    path = published_weights.keep(f"{MODEL}-seg", file(tmp_path, "download", CHECKPOINT), check)

    assert path == published_weights.find(MODEL) == published_weights.find(f"{MODEL}-seg")
    assert names(folder) == sorted([path.name, "yolox-nano.json"])


@pytest.mark.parametrize(
    ("name", "checked"),
    [
        ("my.pth", "my.pth"),
        ("my.onnx", "my.pth"),
        ("my.bin", "my.bin.pth"),
        (".lock", ".lock.pth"),
        (".pth", "yolox-nano.pth"),
        ("ä" * 120, None),
    ],
)
def test_a_file_is_checked_under_its_own_name_with_the_suffix_of_its_kind(tmp_path, name, checked):
    seen = []
    published_weights.keep(MODEL, file(tmp_path, name, CHECKPOINT), lambda path: seen.append(path.name))

    assert seen == [checked or "ä" * 50 + ".pth"]
    assert published_weights.find(MODEL).suffix == ".pth"


def test_a_name_that_is_no_text_is_recorded_as_it_can_be_shown(tmp_path):
    source = Path(os.fsdecode(bytes(tmp_path) + b"/\xff\x1b[2J.pth"))
    source.write_bytes(CHECKPOINT)
    published_weights.keep(MODEL, source, check)

    assert published_weights.kept(MODEL).source == "\\udcff\\x1b[2J.pth"
    with pytest.raises(TrainingError, match=r"^--from: "):
        published_weights.keep(MODEL, source.with_suffix(".gone"), check)


def test_another_file_takes_its_place(tmp_path, folder):
    published_weights.keep(MODEL, file(tmp_path, "a.onnx", EXPORT), check)
    path = published_weights.keep(MODEL, file(tmp_path, "b.pth", CHECKPOINT), check)

    assert published_weights.find(MODEL) == path
    assert names(folder) == sorted([path.name, "yolox-nano.json"])


def test_two_writers_at_once_leave_the_file_of_one(tmp_path, folder):
    sources = [file(tmp_path, f"{number}.onnx", EXPORT + bytes([number])) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda source: published_weights.keep(MODEL, source, check), sources))

    path = published_weights.find(MODEL)
    assert names(folder) == sorted([path.name, "yolox-nano.json"])


def test_a_file_that_the_check_refuses_changes_nothing(tmp_path, folder):
    path = published_weights.keep(MODEL, file(tmp_path, "a.onnx", EXPORT), check)
    before = names(folder)

    with pytest.raises(TrainingError, match=r"^b\.onnx: no weights\.$"):
        published_weights.keep(MODEL, file(tmp_path, "b.onnx", b"other"), check)

    assert published_weights.find(MODEL) == path
    assert names(folder) == before


def test_a_file_that_has_changed_is_refused(tmp_path):
    path = published_weights.keep(MODEL, file(tmp_path, "a.onnx", EXPORT), check)

    for content in (EXPORT[:-1] + b"!", EXPORT + b"more", b""):
        path.write_bytes(content)
        sentence = (
            f"{path}: has changed since it came from a.onnx; expected the same content. Run preannotate get base "
            f"yolox-nano to get it again, or --from FILE with a file of yours."
        )
        with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
            published_weights.find(MODEL)

    path.unlink()
    assert published_weights.find(MODEL) is None


@pytest.mark.parametrize(
    "record",
    [
        [],
        {},
        {"suffix": ".exe", "source": "a", "size": 1, "sha256": "00" * 32},
        {"suffix": ".pth", "source": "a", "size": 1, "sha256": "../../../../etc/passwd"},
        {"suffix": ".pth", "source": 3, "size": 1, "sha256": "00" * 32},
        {"suffix": ".pth", "source": "a", "size": 1, "sha256": "00"},
        {"suffix": ".pth", "source": "a", "size": 1, "sha256": 7},
    ],
)
def test_a_record_of_another_kind_is_refused(folder, record):
    folder.mkdir()
    (folder / "yolox-nano.json").write_text(json.dumps(record))

    with pytest.raises(
        FileError, match=r"yolox-nano\.json: not a record of weights; expected one\. Remove the file\.$"
    ):
        published_weights.find(MODEL)


def test_what_is_no_file_of_weights_is_not_copied(tmp_path, folder, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing"):
        with pytest.raises(
            TrainingError, match=r"^--from: '.*' is not a file; expected yolox_nano\.pth of yolox-nano\.$"
        ):
            published_weights.keep(MODEL, path, check)
    monkeypatch.setitem(CATALOGUE, MODEL, replace(CATALOGUE[MODEL], max_bytes=10))
    with pytest.raises(TrainingError, match=r"^large: more than 0 MiB; expected yolox_nano\.pth of yolox-nano\."):
        published_weights.keep(MODEL, file(tmp_path, "large", EXPORT), check)
    with pytest.raises(TrainingError, match="'yolox-x' has none; expected one of: yolox-nano, yolox-tiny, yolox-s"):
        published_weights.keep("yolox-x", tmp_path / "large", check)
    assert names(folder) == []


def test_weights_are_downloaded_once(site, caplog):
    caplog.set_level(logging.INFO)
    site.answers = {"/yolox_nano.pth": (200, CHECKPOINT)}

    path = published_weights.find_or_fetch(MODEL, check)
    assert path.read_bytes() == CHECKPOINT
    assert published_weights.kept(MODEL).source == f"{site.url}/yolox_nano.pth"
    assert published_weights.find_or_fetch(MODEL, check) == path
    assert len(site.requests) == 1
    assert caplog.messages == [f"yolox-nano: downloading its COCO weights from {site.url}/yolox_nano.pth"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((404, "not found"), "status 404"),
        ((200, "<html>log in to the network</html>"), "the answer is another file"),
        ((200, b"weights" * 1000), "the response is too large"),
    ],
)
def test_a_download_that_fails_is_one_sentence_and_leaves_nothing(site, folder, caplog, answer, reason):
    site.answers = {"/yolox_nano.pth": answer}
    sentence = (
        f"yolox-nano: its COCO weights are not on this machine and cannot be downloaded ({reason}); expected "
        f"yolox_nano.pth. Download it elsewhere from {site.url}/yolox_nano.pth and run: "
        f"preannotate get base yolox-nano --from yolox_nano.pth"
    )

    with pytest.raises(NotFetchedError, match=f"^{re.escape(sentence)}$"):
        published_weights.fetch(MODEL, check)
    assert published_weights.find_or_fetch(MODEL, check) is None
    assert caplog.messages == [sentence]
    assert names(folder) == []


def test_nothing_is_downloaded_where_that_is_switched_off(site, monkeypatch, caplog):
    monkeypatch.setenv("PREANNOTATE_OFFLINE", "1")

    assert published_weights.find_or_fetch(MODEL, check) is None
    assert "cannot be downloaded (PREANNOTATE_OFFLINE is set); expected yolox_nano.pth." in caplog.text
    assert site.requests == []


def test_a_download_that_fails_keeps_the_file_that_is_here(site, tmp_path):
    path = published_weights.keep(MODEL, file(tmp_path, "a.onnx", EXPORT), check)

    with pytest.raises(NotFetchedError):
        published_weights.fetch(MODEL, check)
    assert published_weights.find(MODEL) == path


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", str(file(tmp_path, "a.onnx", EXPORT) / "folder"))

    with pytest.raises(FileError, match=r"expected a writable folder\. Set PREANNOTATE_WEIGHTS to another one\.$"):
        published_weights.keep(MODEL, tmp_path / "a.onnx", check)


def test_a_training_goes_on_where_weights_cannot_be_kept(site, monkeypatch, caplog):
    site.answers = {"/yolox_nano.pth": (200, CHECKPOINT)}
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", "/proc/weights")

    assert published_weights.find_or_fetch(MODEL, check) is None
    [warning] = caplog.messages
    assert warning.startswith("/proc/weights: ")
    assert warning.endswith("; expected a writable folder. Set PREANNOTATE_WEIGHTS to another one.")


def test_without_a_home_nothing_is_here_and_a_training_goes_on(site, monkeypatch, caplog):
    monkeypatch.delenv("PREANNOTATE_WEIGHTS")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(published_weights.Path, "home", no_home)

    assert published_weights.find(MODEL) is None
    assert published_weights.find_or_fetch(MODEL, check) is None
    assert caplog.messages == [
        "base weights: no home folder; expected one. Set PREANNOTATE_WEIGHTS to a folder for them."
    ]


def no_home():
    raise RuntimeError("Could not determine home directory.")


def test_the_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("PREANNOTATE_WEIGHTS")
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert published_files.folder() == tmp_path / "preannotate/weights"

    for unusable in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert str(published_files.folder()) == "/home/someone/.cache/preannotate/weights"


def test_the_module_is_light():
    heavy = "{'keras', 'tensorflow', 'numpy', 'onnx', 'urllib3'}"
    code = f"import sys, trainer.published_weights; sys.exit(bool({heavy} & {{*sys.modules}}))"
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}

    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
