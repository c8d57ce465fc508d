import json
import os
import shutil

from support.functions import prove

from preannotate.diagnostics import directory as checks
from preannotate.diagnostics.finding import error, note, ok, warning
from preannotate.diagnostics.functions import read_variants


def test_a_whole_directory(directory, functions):
    assert list(checks.files(directory)) == [ok("files", "complete, and as CVAT and nuclio want them")]
    assert list(checks.proof(directory)) == [ok("parity.json", "passed")]
    assert list(checks.fingerprints(directory, functions)) == []
    assert list(checks.collisions(functions)) == []


def test_a_missing_file_is_an_error_with_the_remedy_of_check(directory):
    (directory / "model.bin").unlink()

    assert list(checks.files(directory)) == [
        error("model.bin", "no such file; expected a whole function directory.", "Build the function again.")
    ]


def test_a_broken_rule_of_cvat(directory):
    path = directory / "function.yaml"
    path.write_text(path.read_text().replace("type: detector", "type: classifier"))

    assert error(
        "function.yaml", "annotation type is 'classifier'; expected 'detector'.", "Build the function again."
    ) in list(checks.files(directory))


def test_the_runtime_of_another_version_may_go_on_serving(directory):
    for name in ("boxes.py", "cvat.py"):
        with (directory / "runtime" / name).open("a") as file:
            file.write("\n")

    assert list(checks.files(directory)) == [
        warning(
            "runtime/",
            "2 files differ from this Preannotate's: another version built it, or somebody edited it.",
            "It may go on serving. For this version: preannotate build RUN --name cats --overwrite",
        )
    ]


def test_a_newer_preannotate_has_built_it(directory):
    path = directory / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 7}))

    assert list(checks.files(directory)) == [
        error(
            "model.json",
            "written by a newer Preannotate (format 7; this one reads 1).",
            "pip install --upgrade preannotate",
        )
    ]


def test_an_edited_handler_is_worth_knowing(directory):
    with (directory / "main.py").open("a") as file:
        file.write("# edited\n")

    assert note(str(directory), "main.py was edited after the build.") in list(checks.files(directory))


def test_nobody_proved_it(directory):
    (directory / "parity.json").unlink()

    assert list(checks.proof(directory)) == [
        warning(
            "parity.json",
            "no such file: nobody has compared this function with what was trained.",
            f"preannotate check {directory}",
        )
    ]


def test_the_proof_failed(directory):
    (directory / "parity.json").write_text(json.dumps({"verdict": "failed", "problems": ["ir: mAP50 lost."]}))

    assert list(checks.proof(directory)) == [
        error(
            "parity.json",
            "the verdict is 'failed' (ir: mAP50 lost.); expected 'passed'.",
            f"Run: preannotate check {directory}",
        )
    ]


def test_a_damaged_proof(directory):
    (directory / "parity.json").write_text("no JSON")
    (found,) = checks.proof(directory)

    assert (found.severity, found.where) == ("error", "parity.json")


def test_weights_that_changed_after_the_proof(directory):
    (directory / "model.bin").write_bytes(b"WEIGHTS")
    os.utime(directory / "model.bin", (1, 1))  # whatever its date

    assert list(checks.proof(directory)) == [
        error(
            "model.bin",
            "changed after the proof; expected the bytes that were proven.",
            f"Build the function again, or accept the change: preannotate check --accept-changes {directory}",
        )
    ]


def test_a_copy_without_dates_is_as_proven_as_the_original(directory, tmp_path):
    copy = tmp_path / "copy" / "cats" / "nuclio"
    shutil.copytree(directory, copy, copy_function=shutil.copyfile)
    os.utime(copy / "parity.json", (1, 1))

    assert list(checks.proof(copy)) == [ok("parity.json", "passed")]


def test_proven_with_another_openvino(directory, monkeypatch):
    monkeypatch.setattr(checks, "installed", {"openvino": "2026.4.1"}.get)
    for proven, text in {"2025.1": "passed (with OpenVINO 2025.1; here: 2026.4.1)", "2026.4.1-22": "passed"}.items():
        prove(directory, versions={"openvino": proven})

        assert list(checks.proof(directory)) == [ok("parity.json", text)]


def test_files_of_two_builds(directory, fingerprint):
    path = directory / "function-gpu.yaml"
    path.write_text(path.read_text().replace(fingerprint, "0123456789abcdef"))
    functions, _ = read_variants(directory.parent, directory)

    assert list(checks.fingerprints(directory, functions)) == [
        error(
            "function-gpu.yaml",
            f"is of model 0123456789abcdef, model.json of {fingerprint}.",
            "Files of two builds were mixed. Build the function again.",
        )
    ]


def pin(directory, file, port):
    path = directory / file
    body = "maxRequestBodySize:"
    path.write_text(path.read_text().replace(body, f"port: {port}\n        {body}"))


def test_a_port_that_docker_chooses(functions):
    first, _ = checks.ports(functions)

    assert first.severity == "note"
    assert first.finding == (
        "no fixed port in it: deploy.sh gives the function one; nuctl alone lets Docker choose, and another one after "
        "a restart of the machine, while nuclio goes on telling CVAT the old one (503, connection refused)."
    )
    assert first.remedy.startswith("Deploy it with ./deploy.sh")


def test_a_fixed_port(directory):
    pin(directory, "function.yaml", 32001)
    functions, _ = read_variants(directory, directory)

    assert next(checks.ports(functions)) == ok("function.yaml", "port 32001, always the same")


def test_two_functions_with_one_port(directory):
    for file in ("function.yaml", "function-gpu.yaml"):
        pin(directory, file, 32001)
    functions, _ = read_variants(directory, directory)

    assert list(checks.collisions(functions)) == [
        error(
            f"{directory}/function.yaml and {directory}/function-gpu.yaml",
            "port 32001 is the same; only one of them can be deployed.",
            "Give each its own port.",
        )
    ]
