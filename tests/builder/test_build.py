"""Building: what is written, when it is refused, and that nothing is left behind."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import runtime
from builder import build as build_module
from builder.build import assemble, build, default_name, find_export
from builder.errors import BuildError
from builder.function_directory import network_fingerprint
from builder.static_check import runtime_files
from preannotate.core.errors import FileError
from runtime.manifest import Manifest

GOLDEN = Path(__file__).parents[1] / "golden" / "detector"
WEIGHTS = ("model.xml", "model.bin", "saved_model", "runtime")


def expect(sentence, action, error=BuildError):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        action()


def test_function_directory_is_the_golden_one(function_dir, request):
    built = {path.name: path.read_text("utf-8") for path in function_dir.iterdir() if path.name not in WEIGHTS}
    if request.config.getoption("--update-golden"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        for path in GOLDEN.iterdir():
            path.unlink()
        for name, text in built.items():
            (GOLDEN / name).write_text(text, "utf-8")
    assert built == {path.name: path.read_text("utf-8") for path in GOLDEN.iterdir() if path.is_file()}


def test_runtime_is_copied_verbatim(function_dir):
    source = Path(runtime.__file__).parent
    assert runtime_files(function_dir / "runtime") == runtime_files(source)
    for name in runtime_files(source):
        assert (function_dir / "runtime" / name).read_bytes() == (source / name).read_bytes()
    assert not list(function_dir.rglob("__pycache__"))


def test_model_json_gains_only_the_fingerprint(export, function_dir):
    before, after = Manifest.read(export), Manifest.read(function_dir)
    fingerprint = network_fingerprint(export / "saved_model")
    assert re.fullmatch("[0-9a-f]{16}", fingerprint)
    assert after.provenance == {**before.provenance, "model_fingerprint": fingerprint}
    assert (after.labels, after.postprocess) == (before.labels, before.postprocess)


def test_run_and_export_directory_are_the_same_thing(export):
    assert find_export(export.parent) == export
    assert find_export(export) == export
    assert default_name(export) == default_name(export.parent) == "my-cats"


def test_no_such_run(tmp_path):
    path = tmp_path / "none"
    sentence = f"{path}: no such folder; expected a run directory, as `preannotate train` and `import` make it."
    expect(sentence, lambda: find_export(path))


def test_unfinished_run(export):
    (export / "model.json").unlink()
    (export / "validation").rmdir()
    sentence = (
        f"{export}: no model.json and no validation; expected the export directory of a finished training or "
        "import. Train to the end, or resume, or import again."
    )
    expect(sentence, lambda: find_export(export.parent))


def test_an_existing_function_is_not_replaced_unasked(export, function_dir):
    output = function_dir.parents[1]
    sentence = f"{function_dir}: exists; expected a new directory. Pass --overwrite to replace it."
    expect(sentence, lambda: build(export, output, name="cats"), FileError)


def test_a_file_where_a_folder_should_be(export, tmp_path):
    output = tmp_path / "functions"
    output.write_text("a file")
    sentence = f"{output / 'cats'}: File exists; expected a writable place. Choose another one."
    expect(sentence, lambda: build(export, output, name="cats"), FileError)
    assert output.read_text() == "a file"


def test_a_failing_step_leaves_the_old_function_and_no_rest(export, function_dir, monkeypatch):
    output = function_dir.parents[1]
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}

    def fail(*arguments):
        raise BuildError("no converter today")

    monkeypatch.setattr(build_module.openvino_ir, "convert", fail)
    expect("no converter today", lambda: build(export, output, name="cats", overwrite=True))
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before
    assert [path.name for path in output.iterdir()] == ["cats"]


@pytest.mark.slow
def test_a_saved_model_that_is_none_fails_with_openvinos_last_word(export, tmp_path):
    pytest.importorskip("openvino")
    with pytest.raises(BuildError) as caught:
        build(export, tmp_path / "out")
    saved_model = re.escape(str(export / "saved_model"))
    pattern = rf"{saved_model}: conversion to OpenVINO's IR: exit code 1 \(.+\); expected it to succeed\."
    assert re.fullmatch(pattern, str(caught.value))
    assert list((tmp_path / "out").iterdir()) == []


def test_an_ir_is_fingerprinted_and_called_imported_if_it_was(ir_export, tmp_path):
    manifest = Manifest.read(ir_export)
    imported = replace(manifest, provenance={**manifest.provenance, "imported": {}})
    assemble(ir_export, tmp_path / "nuclio", "cats", imported)
    assert Manifest.read(tmp_path / "nuclio").provenance["model_fingerprint"] == network_fingerprint(ir_export / "ir")
    text = (tmp_path / "nuclio" / "function.yaml").read_text("utf-8")
    assert 'description: "ssd-mobilenet-v2 at 320x320, imported by Preannotate"' in text
    assert not (tmp_path / "nuclio" / "function-gpu.yaml").exists()


def test_an_export_without_a_graph(ir_export):
    (ir_export / "ir" / "model.xml").unlink()
    sentence = (
        f"{ir_export}: no saved_model or ir; expected the export directory of a finished training or import. "
        "Train to the end, or resume, or import again."
    )
    expect(sentence, lambda: find_export(ir_export))
