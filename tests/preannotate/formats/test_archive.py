import io
import os
import re
import stat
import tarfile
import zipfile

import pytest

from preannotate.formats import archive, extraction, read_export
from preannotate.formats.records import DatasetError


def open_zip(path, tmp_path):
    with archive.open_export(path, tmp_path) as folder:
        return folder.paths


def make_zip(tmp_path, entries):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


def test_names_of_any_script_and_windows_folders_are_extracted(tmp_path):
    names = ["images/Ünï & 'co' \"dé\".jpg", "a\\b.txt", "данные/猫.png", "empty/"]
    path = make_zip(tmp_path, [(name, b"x") for name in names])

    assert open_zip(path, tmp_path) == ["a/b.txt", "images/Ünï & 'co' \"dé\".jpg", "данные/猫.png"]


def test_the_temporary_folder_is_gone_afterwards(tmp_path):
    open_zip(make_zip(tmp_path, [("a.txt", b"x")]), tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["export.zip"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:/evil"])
def test_entries_that_lead_out_are_refused(tmp_path, name):
    path = make_zip(tmp_path, [(name, b"x")])
    sentence = (
        f"export.zip: entry {name!r} leads out of the archive; expected names inside it. "
        "Do not use this file; export again."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        open_zip(path, tmp_path)


def test_links_are_refused(tmp_path):
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    sentence = (
        "export.zip: entry 'link' is a link or a device; expected files and folders. "
        "Unpack it yourself and give the folder if you trust it."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        open_zip(make_zip(tmp_path, [(entry, b"/etc")]), tmp_path)


def test_encrypted_entries_are_refused(tmp_path):
    path = make_zip(tmp_path, [("secret.txt", b"x" * 50)])
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the local header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    path.write_bytes(content)
    sentence = (
        "export.zip: entry 'secret.txt' is encrypted; expected an open archive. Unpack it yourself and give the folder."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        open_zip(path, tmp_path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(extraction, "MAX_FREE_BYTES", 100_000)
    path = make_zip(tmp_path, [("zeros", bytes(1_000_000))])
    packed = path.stat().st_size
    sentence = (
        f"export.zip: unpacks {packed} bytes to 1000000; expected at most 200 times its size. "
        "Unpack it yourself and give the folder if you trust it."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        open_zip(path, tmp_path)


def test_too_many_entries_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(extraction, "MAX_ENTRIES", 2)
    sentence = "export.zip: 3 entries; expected at most 2. Unpack it yourself and give the folder if you trust it."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        open_zip(make_zip(tmp_path, [(str(index), b"") for index in range(3)]), tmp_path)


def test_a_file_that_is_no_zip_is_named(tmp_path):
    (tmp_path / "export.zip").write_text("hello")
    sentence = "export.zip: File is not a zip file; expected a whole zip or tar archive. Download the export again."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        open_zip(tmp_path / "export.zip", tmp_path)


def test_a_damaged_entry_is_named(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", b"hello hello")
    path.write_bytes(path.read_bytes().replace(b"hello hello", b"jello jello"))
    sentence = (
        "export.zip: Bad CRC-32 for file 'a.txt'; expected a whole zip or tar archive. Download the export again."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        open_zip(path, tmp_path)


def test_a_zip_cut_anywhere_gives_one_sentence(tmp_path):
    path = make_zip(tmp_path, [("a.txt", b"hello" * 100), ("b.txt", b"x")])
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DatasetError, match="expected a whole zip or tar archive"):
            open_zip(path, tmp_path)


def test_a_name_that_the_disk_refuses_is_a_sentence(tmp_path):
    name = "n" * 300
    sentence = (
        f"export.zip: entry {name!r} cannot be written: File name too long; expected 1 bytes of room and a "
        "usable name. Make room, or unpack it yourself."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        open_zip(make_zip(tmp_path, [(name, b"x")]), tmp_path)


def test_a_missing_export_is_named(tmp_path):
    sentence = f"{tmp_path / 'no'}: no such file or folder; expected an annotation export, zip or folder."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        open_zip(tmp_path / "no", tmp_path)


def make_tar(path, *members, mode="w:gz"):
    """A tar of members: (name, content) or a TarInfo without content."""
    with tarfile.open(path, mode) as file:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                file.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                file.addfile(info, io.BytesIO(member[1]))
    return path


def entry(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "C:/evil"])
def test_entries_of_a_tar_that_lead_out_are_refused(tmp_path, name):
    with pytest.raises(DatasetError, match="leads out of the archive"):
        open_zip(make_tar(tmp_path / "a.tar.gz", ("fine", b"x"), (name, b"x")), tmp_path)


@pytest.mark.parametrize(
    "member",
    [
        entry("link", tarfile.SYMTYPE, "/etc"),
        entry("hard", tarfile.LNKTYPE, "../../etc/passwd"),
        entry("pipe", tarfile.FIFOTYPE),
        entry("device", tarfile.CHRTYPE),
        entry("disk", tarfile.BLKTYPE),
    ],
    ids=lambda member: member.name,
)
def test_links_and_devices_of_a_tar_are_refused(tmp_path, member):
    with pytest.raises(DatasetError, match="is a link or a device; expected files and folders"):
        open_zip(make_tar(tmp_path / "a.tar", ("fine", b"x"), member, mode="w"), tmp_path)


def test_a_bomb_in_a_tar_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(extraction, "MAX_FREE_BYTES", 100_000)
    path = make_tar(tmp_path / "a.tar.gz", ("fine", b"x"), ("zeros", bytes(5_000_000)))
    with pytest.raises(DatasetError, match="expected at most 200 times its size"):
        open_zip(path, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


def test_a_tar_whose_header_promises_a_huge_name_is_refused_without_reading_it(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(10_000))
    with pytest.raises(DatasetError, match="expected a whole zip or tar archive"):
        open_zip(tmp_path / "a.tar", tmp_path)


def test_a_tar_cut_anywhere_gives_one_sentence(tmp_path):
    path = make_tar(tmp_path / "a.tar.gz", ("a.txt", b"hello" * 100), ("b.txt", os.urandom(700)))
    whole = path.read_bytes()
    for length in range(3, len(whole), 13):
        path.write_bytes(whole[:length])
        with pytest.raises(DatasetError, match="expected a whole zip or tar archive"):
            open_zip(path, tmp_path)


def test_a_tar_that_ends_between_two_entries_is_not_whole(tmp_path):
    path = make_tar(tmp_path / "a.tar", ("a.txt", b"a"), ("b.txt", b"b"), mode="w")
    path.write_bytes(path.read_bytes()[:1024])
    with pytest.raises(DatasetError, match="the archive ends within its entries"):
        open_zip(path, tmp_path)


@pytest.mark.parametrize(
    ("content", "kind"), [(b"Rar!\x1a\x07\x01", "RAR"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"\xfd7zXZ\0", "xz")]
)
def test_an_archive_of_another_kind_is_named(tmp_path, content, kind):
    (tmp_path / "export.zip").write_bytes(content + bytes(600))
    sentence = (
        f"export.zip: an archive of {kind}; expected a zip, a .tar.gz or a folder. Unpack it and give the folder."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        open_zip(tmp_path / "export.zip", tmp_path)


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "export.zip")
    with pytest.raises(DatasetError, match="a pipe or a device"):
        open_zip(tmp_path / "export.zip", tmp_path)


def test_all_archives_inside_share_one_limit(tmp_path, monkeypatch):
    """Each of the three would be allowed alone."""
    monkeypatch.setattr(extraction, "MAX_FREE_BYTES", 1_000_000)
    for index in range(3):
        make_zip(tmp_path, [("zeros.txt", bytes(450_000))]).rename(tmp_path / f"{index}.zip")
    (tmp_path / "folder").mkdir()
    for index in range(3):
        (tmp_path / f"{index}.zip").rename(tmp_path / f"folder/{index}.zip")
    (tmp_path / "workspace").mkdir()
    with archive.open_export(tmp_path / "folder", tmp_path / "workspace") as files:
        more, unopened = archive.with_inner_archives(files)

        assert [path for path in more.paths if path.endswith(".txt")] == ["0/zeros.txt", "1/zeros.txt"]
        assert unopened == ["2.zip"]


def test_archives_in_archives_are_opened_to_the_second_level(tmp_path):
    content = b"x"
    for name in ("3.txt", "2.zip", "1.zip", "0.zip"):
        path = make_zip(tmp_path, [(name, content)])
        content = path.read_bytes()
    (tmp_path / "workspace").mkdir()
    with archive.open_export(path, tmp_path / "workspace") as files:
        more, unopened = archive.with_inner_archives(files)

        assert (more.paths, unopened) == (["0.zip", "0/1.zip", "0/1/2.zip"], [])


def test_an_entry_of_less_than_nothing_ends_in_an_error_and_not_in_a_circle(tmp_path):
    """Base 256 with the sign bit, as GNU tar writes numbers that do not fit."""
    header = bytearray(tarfile.TarInfo("a.txt").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"  # minus one block
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar").write_bytes(bytes(header) * 2 + bytes(2048))
    with pytest.raises(DatasetError, match="expected a whole zip or tar archive"):
        open_zip(tmp_path / "a.tar", tmp_path)


def test_a_file_of_another_format_is_named(tmp_path):
    (tmp_path / "x.vott").write_text("{}")
    with (
        archive.open_export(tmp_path / "x.vott", tmp_path) as files,
        pytest.raises(DatasetError, match=r"x.vott: VoTT"),
    ):
        read_export(tmp_path / "x.vott", files)
