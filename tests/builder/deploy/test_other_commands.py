"""deploy.sh list, delete and rollback."""

import pytest

FUNCTION = """\
metadata:
  name: "cats"
spec:
  runtime: python:3.11
  build:
    image: "preannotate.cats:0123456789abcdef"
    directives:
      postCopy:
        - kind: USER
  triggers:
    myHttpTrigger:
      kind: http
      attributes:
        maxRequestBodySize: 268435456
"""
CAT = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "cat"]


def test_list_shows_functions_and_images(machine):
    machine.state(functions={"cats": ["ready", "32768"]})
    machine.answer({"docker image ls": {"out": "REPOSITORY TAG\npreannotate.cats 0123456789abcdef\n"}})
    done = machine.deploy("list")
    assert done.code == 0
    assert "cats | cvat    | ready" in done.out
    assert "preannotate.cats 0123456789abcdef" in done.out
    assert ["nuctl", "get", "functions", "--platform", "local"] in done.calls


def test_list_of_a_cluster_asks_for_no_images_here(machine):
    machine.state(functions={"cats": ["ready", ""]})
    done = machine.deploy("list", "--platform", "kube")
    assert done.code == 0
    assert not [call for call in done.calls if call[:2] == ["docker", "image"]]


def test_delete_removes_even_what_an_interruption_left(machine):
    machine.state(functions={"cats": ["building", ""]})
    done = machine.deploy("delete", "cats")
    assert done.code == 0
    assert done.calls[-1] == ["nuctl", "delete", "functions", "cats", "--force", "--platform", "local"]
    again = machine.deploy("delete", "cats")
    assert again.code == 2
    assert again.err == (
        "error: cats: nuctl does not give it (No functions found); expected a deployed function. "
        "See ./deploy.sh list.\n"
    )


def test_delete_can_be_tried_out(machine):
    done = machine.deploy("delete", "cats", "--dry-run")
    assert (done.code, done.calls) == (0, [])
    assert done.out == "nuctl delete functions cats --force --platform local\n"


def test_rollback_deploys_the_image_with_the_file_inside_it_and_builds_nothing(machine):
    machine.answer({"docker run": {"out": FUNCTION}})
    done = machine.deploy("rollback", "cats", "0123456789abcdef", "--", "--env", "A=1")
    assert done.code == 0, done.err
    image = "preannotate.cats:0123456789abcdef"
    assert [*CAT, "--pull", "never", image, "/opt/nuclio/function.yaml"] in done.calls
    flags = ["--project-name", "cvat", "--platform", "local", "--file", "WORK/function.yaml", "--run-image", image]
    assert done.deployed() == [["nuctl", "deploy", *flags, "--env", "A=1"]]
    text = machine.staged("cats").read_text()
    before, rest = FUNCTION.split("  build:\n")
    expected = before + rest[rest.index("  triggers:") :]  # with `build`, nuctl would build
    assert text == f"{expected}        port: {machine.port}\n"
    assert done.table == [f"cats  ready      {machine.port}"]


def test_rollback_in_a_cluster_takes_the_image_from_the_registry(machine):
    machine.answer({"docker run": {"out": FUNCTION}})
    done = machine.deploy("rollback", "cats", "0123456789abcdef", "--platform", "kube", "--registry", "mirror/team")
    image = "preannotate.cats:0123456789abcdef"
    assert [*CAT, f"mirror/team/{image}", "/opt/nuclio/function.yaml"] in done.calls
    assert done.deployed()[0][-4:] == ["--run-image", image, "--run-registry", "mirror/team"]


def test_rollback_to_an_image_that_is_not_there(machine):
    machine.answer({"docker run": {"code": 125, "out": ""}})
    machine.install("docker", ["sh", "-c", FAILING_DOCKER, "docker"])
    done = machine.deploy("rollback", "cats", "0123")
    assert (done.code, done.deployed()) == (2, [])
    assert done.err == (
        "error: preannotate.cats:0123: cannot be read (docker: No such image.); expected an image built earlier. "
        "See ./deploy.sh list.\n"
    )
    assert not list((machine.folder / "temporary files").iterdir())


FAILING_DOCKER = 'case $1 in run) echo "docker: No such image." >&2; echo "See docker --help" >&2; exit 125 ;; esac'


def test_rollback_can_be_tried_out(machine):
    done = machine.deploy("rollback", "cats", "0123456789abcdef", "--dry-run")
    assert (done.code, done.calls) == (0, [])
    assert done.out.splitlines()[1].startswith(
        "docker run --rm --network none --entrypoint cat --pull never preannotate.cats:0123456789abcdef "
    )
    assert done.table == ["cats  dry run    -"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["list", "cats"], "list: 1 arguments; expected none. Leave them out."),
        (["delete"], "delete: 0 arguments; expected the name of one function. See ./deploy.sh list."),
        (["rollback", "cats"], "rollback: 1 arguments; expected NAME and FINGERPRINT. See ./deploy.sh list."),
        (
            ["rollback", "a/b", "1"],
            "a/b: no name of a function; expected lower-case letters, digits and hyphens. See ./deploy.sh list.",
        ),
    ],
)
def test_arguments_that_make_no_sense(machine, arguments, sentence):
    done = machine.deploy(*arguments)
    assert (done.code, done.err) == (2, f"error: {sentence}\n")
