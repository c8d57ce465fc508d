"""What a function directory is, and whether it is still what was proven."""

import json
import os
import re
import shutil

import pytest
from support.functions import prove

from builder.check import check
from builder.errors import BuildError
from builder.function_directory import FunctionDirectory, Proof, Verdict, find_directories, network_fingerprint


def test_function_and_its_nuclio_folder_are_the_same_thing(function_dir):
    for path in (function_dir.parent, function_dir):
        assert FunctionDirectory.find(path) == FunctionDirectory.open(path) == FunctionDirectory(function_dir)
    assert FunctionDirectory(function_dir).name == "cats"
    assert FunctionDirectory(function_dir).validation == function_dir.parent / "validation"


@pytest.mark.parametrize("kept", ["main.py", "function.yaml"])
def test_a_damaged_one_is_found_all_the_same(function_dir, kept):
    for name in {"main.py", "function.yaml"} - {kept}:
        (function_dir / name).unlink()

    assert FunctionDirectory.find(function_dir.parent) == FunctionDirectory(function_dir)


def test_what_is_no_function_directory(tmp_path):
    sentence = f"{tmp_path}: no function directory; expected functions/NAME, as `preannotate build` makes them."

    assert FunctionDirectory.find(tmp_path) is None
    with pytest.raises(BuildError, match=f"^{re.escape(sentence)}$"):
        FunctionDirectory.open(tmp_path)


def test_folder_name_and_nuclio_directory_are_all_found(function_dir, tmp_path):
    folder = tmp_path / "functions"
    shutil.copytree(function_dir.parent, folder / "dogs")
    (folder / "runtime").mkdir()  # the source that is copied into functions
    shutil.copytree(function_dir.parent, folder / ".birds.draft")  # one that is being written

    assert find_directories(folder) == [function_dir, folder / "dogs" / "nuclio"]
    assert find_directories(function_dir.parent) == find_directories(function_dir) == [function_dir]
    assert find_directories(folder, "function-arm.yaml") == []


def rename_label(directory, label="Katze"):
    for name in ("function.yaml", "function-gpu.yaml"):
        path = directory / name
        path.write_text(path.read_text("utf-8").replace('"name": "cat"', f'"name": "{label}"'), "utf-8")


def test_labels_are_called_as_in_function_yaml(function_dir):
    rename_label(function_dir)

    assert FunctionDirectory(function_dir).labels == ("Katze", 'Größe "XL"')


def change_four_bytes(path, *, dated):
    before = path.stat().st_mtime
    content = bytearray(path.read_bytes())
    content[:4] = bytes(255 - byte for byte in content[:4])
    path.write_bytes(content)
    os.utime(path, (before + dated, before + dated))


@pytest.mark.parametrize("dated", [-60, 0, 3600])
def test_changed_bytes_are_named_whatever_their_date(function_dir, dated):
    prove(function_dir)
    change_four_bytes(function_dir / "model.bin", dated=dated)
    remedy = f"Build the function again, or accept the change: preannotate check --accept-changes {function_dir}"

    assert FunctionDirectory(function_dir).proof_problems() == [
        f"model.bin: changed after the proof; expected the bytes that were proven. {remedy}"
    ]


def test_a_copy_without_dates_is_as_proven_as_the_original(function_dir, tmp_path):
    prove(function_dir)
    for path in function_dir.rglob("*"):
        os.utime(path, (10**9, 10**9))
    copy = tmp_path / "copy"
    shutil.copytree(function_dir, copy, copy_function=shutil.copyfile)
    os.utime(copy / "parity.json", (1, 1))  # older than all that it is about

    assert FunctionDirectory(copy).proof_problems() == []


def test_names_of_labels_and_settings_may_be_edited(function_dir):
    prove(function_dir)
    before = FunctionDirectory(function_dir).fingerprint
    rename_label(function_dir)
    path = function_dir / "function.yaml"
    path.write_text(path.read_text("utf-8").replace("numWorkers: 2", "numWorkers: 1"), "utf-8")

    assert FunctionDirectory(function_dir).proof_problems() == []
    assert FunctionDirectory(function_dir).fingerprint == before


def test_missing_and_added_files_are_named(function_dir):
    prove(function_dir)
    (function_dir / "saved_model" / "saved_model.pb").unlink()
    (function_dir / "numpy.py").write_text("")  # would be imported in place of the package
    first, second = FunctionDirectory(function_dir).proof_problems()

    assert first.startswith("numpy.py: was added after the proof; expected only files that were proven. ")
    assert second.startswith("saved_model/saved_model.pb: no such file; expected the file that was proven. ")


def test_caches_of_a_running_function_do_not_count(function_dir):
    prove(function_dir)
    mark = FunctionDirectory(function_dir).change_mark
    for folder in ("__pycache__", ".cache", "runtime/__pycache__"):
        (function_dir / folder).mkdir(exist_ok=True)
        (function_dir / folder / "file").write_text("cache")

    assert FunctionDirectory(function_dir).proof_problems() == []
    assert FunctionDirectory(function_dir).change_mark == mark


def test_a_linked_folder_counts_with_what_it_points_to(function_dir, tmp_path):
    (function_dir / "saved_model").rename(tmp_path / "elsewhere")
    (function_dir / "saved_model").symlink_to(tmp_path / "elsewhere")
    prove(function_dir)
    (tmp_path / "elsewhere" / "saved_model.pb").write_bytes(b"another")
    (found,) = FunctionDirectory(function_dir).proof_problems()

    assert found.startswith("saved_model/saved_model.pb: changed after the proof")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "parity.json: no such file; expected the result of a check. Run: preannotate check "),
        (
            '{"verdict": "failed", "problems": ["ir: bad."]}',
            "parity.json: the verdict is 'failed' (ir: bad.); expected ",
        ),
        ('{"verdict": "failed"}', "parity.json: the verdict is 'failed' (The check failed.); expected 'passed'. "),
        ('{"verdict": "passed"}', "parity.json: no digests; expected one for each file that was proven. "),
    ],
)
def test_what_is_not_proven(function_dir, content, expected):
    if content is not None:
        (function_dir / "parity.json").write_text(content)
    (found,) = FunctionDirectory(function_dir).proof_problems()

    assert found.startswith(expected)


@pytest.mark.parametrize("content", ["no JSON", "[]", "{}", '{"verdict": "perhaps"}'])
def test_a_damaged_proof(function_dir, content):
    (function_dir / "parity.json").write_text(content)

    with pytest.raises(
        BuildError, match=r"^parity\.json: .*; expected the result of a check\. Run: preannotate check "
    ):
        FunctionDirectory(function_dir).proof_problems()


def test_a_proof_is_read_as_it_was_written(function_dir):
    directory = FunctionDirectory(function_dir)
    assert directory.proof() is None
    for proof in (
        Proof(notes=("a note",), figures={"images": 3}, digests=directory.digests),
        Proof(("wrong.",), digests={"model.bin": "0" * 64}, next_manifest="1" * 64),
    ):
        directory.write_proof(proof)
        assert directory.proof() == proof
    assert json.loads((function_dir / "parity.json").read_text())["verdict"] == Verdict.FAILED


def test_a_check_names_a_changed_file_and_does_not_accept_it_the_next_time(function_dir):
    prove(function_dir)
    digests = FunctionDirectory(function_dir).digests
    change_four_bytes(function_dir / "model.bin", dated=-60)
    for _ in range(2):
        proof = check(function_dir)

        assert [problem.partition(";")[0] for problem in proof.problems] == ["model.bin: changed after the proof"]
        assert FunctionDirectory(function_dir).proof().digests == digests


def test_the_change_mark_tells_every_change_without_reading(function_dir):
    marks = [FunctionDirectory(function_dir).change_mark]
    changes = (
        lambda: (function_dir / "new.py").write_text("a"),
        lambda: os.utime(function_dir / "new.py", ns=(5, 5)),
        lambda: (function_dir / "new.py").unlink(),
        lambda: change_four_bytes(function_dir / "model.bin", dated=0),
    )
    for change in changes:
        change()
        marks.append(FunctionDirectory(function_dir).change_mark)

    assert marks.pop(-2) == marks[0]  # the file is gone again
    assert len(set(marks)) == len(marks)
    assert FunctionDirectory(function_dir / "gone").change_mark == ""


def test_the_fingerprint_of_a_network_follows_content_and_names(tmp_path):
    for folder, name, content in (("a", "x", "1"), ("b", "x", "1"), ("c", "y", "1"), ("d", "x", "2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(content)
    a, b, c, d = (network_fingerprint(tmp_path / folder) for folder in "abcd")

    assert a == b
    assert len({a, c, d}) == 3
    assert re.fullmatch("[0-9a-f]{16}", a)
