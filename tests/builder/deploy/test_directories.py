"""What deploy.sh refuses before it bothers nuclio, and what it says."""

import os
import shutil

import pytest

from builder.function_directory import network_fingerprint

REBUILD = "Build the function again."


def replaced(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def refused(machine, variant="cpu"):
    """The sentence in the table, and nothing happened."""
    done = machine.deploy(variant)
    assert done.code == 1
    assert done.deployed() == []
    ((state, _, sentence),) = [line.split(maxsplit=3)[1:] for line in done.table]
    assert state == "refused"
    return sentence


def test_no_such_directory(machine):
    done = machine.deploy("cpu", "my functions")
    assert (done.code, done.calls) == (2, [])
    assert done.err == (
        "error: my functions: no such directory; expected function directories in it. "
        "Build one with `preannotate build`.\n"
    )


def test_no_function_in_a_directory(machine):
    (machine.folder / "functions" / "nuclio").mkdir(parents=True)
    done = machine.deploy("gpu")
    assert (done.code, done.calls) == (2, [])
    assert done.err == (
        "error: functions: no nuclio/function-gpu.yaml in it; expected function directories. "
        "Build one with `preannotate build`.\n"
    )


@pytest.mark.parametrize("name", ["main.py", "model_handler.py", "model.json", "model.xml", "parity.json"])
def test_a_missing_file(machine, functions, name):
    (functions() / name).unlink()
    assert refused(machine) == f"{name}: no such file; expected a whole function directory. {REBUILD}"


def test_the_cpu_misses_no_saved_model_and_the_gpu_no_ir(machine, functions):
    directory = functions()
    for path in sorted((directory / "saved_model").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (directory / "saved_model").rmdir()
    assert machine.deploy("cpu").code == 0
    assert refused(machine, "gpu").startswith("saved_model/saved_model.pb: no such file;")


def test_a_name_with_a_shell_command(machine, functions):
    replaced(functions() / "function.yaml", '  name: "cats"', '  name: "cats; reboot"')
    done = machine.deploy("cpu")
    assert done.table == [
        "cats; reboot  refused    -      function.yaml: metadata.name 'cats; reboot'; expected at most 56 lower-case "
        f"letters, digits and hyphens. {REBUILD}"
    ]


def test_a_function_that_was_not_proven(machine, functions):
    replaced(functions() / "parity.json", "passed", "failed")
    assert refused(machine) == f'parity.json: the verdict is not "passed"; expected a proven function. {REBUILD}'


def test_another_network_than_was_proven(machine, functions):
    directory = functions()
    path = directory / "model.bin"
    path.write_bytes(b"WEIGHTS")
    os.utime(path, (1, 1))
    assert refused(machine) == f"model.bin: changed after the proof; expected the bytes that were proven. {REBUILD}"
    assert machine.deploy("gpu").code == 0
    (directory / "saved_model" / "saved_model.pb").write_bytes(b"another network")
    assert refused(machine, "gpu").startswith("saved_model/saved_model.pb: changed after the proof;")


def test_files_that_came_or_went_after_the_proof(machine, functions):
    directory = functions()
    (directory / "numpy.py").write_text("")
    sentence = "numpy.py: was added after the proof; expected only files that were proven. Remove it."
    assert refused(machine) == sentence
    (directory / "numpy.py").unlink()
    (directory / "runtime" / "boxes.py").unlink()
    sentence = f"runtime/boxes.py: no such file; expected the file that was proven. {REBUILD}"
    assert refused(machine) == sentence
    (directory / "parity.json").write_text('{"verdict": "passed"}')
    assert refused(machine).startswith("parity.json: no digests; expected one for each file that was proven.")


def test_the_yaml_of_another_network(machine, functions):
    directory = functions()
    fingerprint = network_fingerprint(directory / "saved_model")
    replaced(directory / "function.yaml", fingerprint, "0123456789abcdef")
    assert refused(machine) == (
        "function.yaml: preannotate.fingerprint '0123456789abcdef'; "
        f"expected '{fingerprint}', as in model.json. {REBUILD}"
    )
    replaced(directory / "function.yaml", "0123456789abcdef", "&")
    assert refused(machine) == (
        f"function.yaml: preannotate.fingerprint '&'; expected 16 hexadecimal digits. {REBUILD}"
    )


def test_another_image(machine, functions):
    directory = functions()
    fingerprint = network_fingerprint(directory / "saved_model")
    replaced(directory / "function.yaml", f"preannotate.cats:{fingerprint}", "cats")
    assert refused(machine) == (
        f"function.yaml: spec.build.image 'cats'; expected 'preannotate.cats:{fingerprint}'. {REBUILD}"
    )


def test_a_base_image_of_another_version(machine, functions):
    replaced(functions() / "function.yaml", "openvino:2026.4", "openvino:2025.1")
    assert refused(machine) == (
        "function.yaml: spec.build.baseImage 'preannotate/openvino:2025.1-2-py3.11'; "
        f"expected 'preannotate/openvino:2026.4-2-py3.11', which this version makes. {REBUILD}"
    )


def test_another_python_than_the_base_image_has(machine, functions):
    replaced(functions() / "function-gpu.yaml", "runtime: python:3.11", "runtime: python:3.10")
    assert refused(machine, "gpu") == (
        "function-gpu.yaml: spec.runtime 'python:3.10'; expected 'python:3.11', the Python of the base image. "
        f"{REBUILD}"
    )


def test_two_functions_of_one_name(machine, functions):
    functions(folder="functions/a")
    functions(folder="functions/b")
    done = machine.deploy("cpu")
    assert len(done.deployed()) == 1
    assert done.table[1] == (
        "cats  refused    -      metadata.name 'cats': another function directory has it; expected different names. "
        "One would replace the other."
    )


def test_renamed_labels_are_fine(machine, functions):
    replaced(functions() / "function.yaml", '"name": "cat"', '"name": "Katze"')
    assert machine.deploy("cpu").code == 0
    assert '"Katze"' in (machine.staged("cats") / "function.yaml").read_text("utf-8")


def test_a_yaml_that_another_program_wrote_again_is_still_read(machine, functions):
    path = functions() / "function.yaml"
    path.write_text(path.read_text("utf-8").replace('"cats"', "cats").replace(': "', ": '").replace('"\n', "'\n"))
    assert machine.deploy("cpu").table == [f"cats  ready      {machine.port}"]


def test_check_proves_each_function_first(machine, functions):
    for name in ("cats", "dogs"):
        functions(name)
    machine.install("preannotate", ["sh", "-c", 'echo "checking $2"; case $2 in *dogs*) exit 1 ;; esac', "preannotate"])
    done = machine.deploy("cpu", "--check")
    assert done.code == 1
    assert f"checking {machine.folder / 'functions' / 'cats' / 'nuclio'}\n" in done.out
    assert done.table == [
        f"cats  ready      {machine.port}",
        f"dogs  refused    -      preannotate check failed, see above; expected a proven function. {REBUILD}",
    ]


def test_check_needs_this_project(machine, functions):
    functions()
    done = machine.deploy("cpu", "--check")
    assert (done.code, done.deployed()) == (2, [])
    assert done.err == (
        "error: --check: no such command as preannotate; expected this project to be installed. "
        "Leave --check out, or install it.\n"
    )


def without_gpu(directory):
    (directory / "function-gpu.yaml").unlink()
    shutil.rmtree(directory / "saved_model")
    return directory


def test_a_function_without_a_gpu_variant_is_deployed_on_the_cpu_and_one_sentence_says_so(machine, functions):
    without_gpu(functions())
    assert machine.deploy("cpu").code == 0
    done = machine.deploy("gpu")
    assert (done.code, done.calls) == (2, [])
    assert done.err == (
        "error: functions: only functions without a GPU variant; expected nuclio/function-gpu.yaml. "
        "Deploy them with: ./deploy.sh cpu.\n"
    )


def test_beside_others_a_function_without_a_gpu_variant_is_left_out_aloud(machine, functions):
    directory = without_gpu(functions("cats"))
    functions("dogs")
    done = machine.deploy("gpu")
    assert done.code == 0
    assert [line.split()[0] for line in done.table] == ["dogs-gpu"]
    assert f"{directory}: no GPU variant; left out.\n" in done.err
