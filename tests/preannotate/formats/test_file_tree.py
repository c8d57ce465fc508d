import os
import socket

import pytest
from support import annotation_exports
from support.annotation_exports import write_text

from preannotate.formats import file_tree, read_export
from preannotate.formats.file_tree import FileTree
from preannotate.formats.records import DatasetError


def test_pipes_sockets_devices_and_files_of_the_kernel_are_left_out(tmp_path):
    write_text(tmp_path / "a.txt", "x")
    os.mkfifo(tmp_path / "pipe.json")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.xml"))
        (tmp_path / "zero.json").symlink_to("/dev/zero")
        (tmp_path / "kmsg.json").symlink_to("/proc/kmsg")
        (tmp_path / "proc").symlink_to("/proc")

        assert FileTree(tmp_path).paths == ["a.txt"]


def test_a_pipe_among_the_files_stops_nothing(tmp_path):
    export = annotation_exports.coco(tmp_path / "export")
    for name in ("annotations/pipe.json", "images/pipe.jpg", "pipe.xml", "pipe.yaml", "classes.txt"):
        os.mkfifo(export / name)

    assert len(read_export(export, FileTree(export)).export.frames) == 3


def test_links_to_folders_are_followed_but_not_in_a_circle(tmp_path):
    write_text(tmp_path / "elsewhere/a.jpg", "x")
    write_text(tmp_path / "export/b.jpg", "x")
    (tmp_path / "export/images").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "export/again").symlink_to(tmp_path / "export")
    (tmp_path / "export/up").symlink_to("..")
    (tmp_path / "export/root").symlink_to("/")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "export/images")
    (tmp_path / "export/loop").symlink_to("loop")
    (tmp_path / "export/nowhere").symlink_to("/nowhere")

    assert FileTree(tmp_path / "export").paths == ["b.jpg", "images/a.jpg"]


def test_a_folder_inside_keeps_its_own_path_when_another_name_links_to_it(tmp_path):
    write_text(tmp_path / "z/a.jpg", "x")
    (tmp_path / "a").symlink_to(tmp_path / "z")
    write_text(tmp_path / "c.json", "x")

    assert FileTree(tmp_path).paths == ["c.json", "z/a.jpg"]


def test_what_systems_put_beside_files_and_hidden_folders_are_left_out(tmp_path):
    names = ["a.jpg", "b/c.jpg", "b/._c.jpg", "__MACOSX/a.jpg", "@eaDir/a.jpg", ".git/x.json", "Thumbs.db"]
    for name in names:
        write_text(tmp_path / name, "x")

    assert FileTree(tmp_path).paths == ["a.jpg", "b/c.jpg"]


def test_too_many_files_are_refused_without_listing_all(tmp_path, monkeypatch):
    monkeypatch.setattr(file_tree, "MAX_FILES", 3)
    for index in range(5):
        write_text(tmp_path / f"export/{index}.txt", "x")
    sentence = (
        r"^export: more than 3 files and folders; expected the folder of one export. Name a folder with fewer files.$"
    )
    with pytest.raises(DatasetError, match=sentence):
        FileTree(tmp_path / "export")


def test_folders_without_an_end_are_not_followed(tmp_path):
    deep = tmp_path
    for _ in range(60):
        deep = deep / "d"
    deep.mkdir(parents=True)
    write_text(deep / "a.txt", "x")
    write_text(tmp_path / "b.txt", "x")

    assert FileTree(tmp_path).paths == ["b.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_said(tmp_path):
    write_text(tmp_path / "closed/a.jpg", "x")
    write_text(tmp_path / "b.jpg", "x")
    (tmp_path / "closed").chmod(0)
    try:
        assert FileTree(tmp_path).notes == ["closed cannot be read (Permission denied): its files are missing here."]
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_each_json_file_is_parsed_once(tmp_path, monkeypatch):
    export = annotation_exports.coco(tmp_path / "export")
    parsed = []
    real = file_tree.read_json
    monkeypatch.setattr(file_tree, "read_json", lambda path: parsed.append(path.name) or real(path))
    read_export(export, FileTree(export))

    assert parsed == ["instances_default.json"]


def test_of_many_files_of_another_kind_only_some_are_opened(tmp_path):
    for index in range(500):
        write_text(tmp_path / f"{index:03}.xml", "<annotation/>")
    opened = []
    files = FileTree(tmp_path)

    assert list(files.candidates(".xml", lambda path: opened.append(path) or False)) == []
    assert len(opened) == 50
