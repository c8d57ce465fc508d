"""A deployment that fails puts back the version that answered before."""

STATE = "docker inspect --type container --format {{.State.Status}}"
BROKEN = {"code": 1, "out": "\nError - it rained in\n    a.go:1\n"}
AS_USUAL = {"as usual": True}


def deployed_before(machine, functions):
    """Deploy cats, so that a version answers."""
    functions()
    assert machine.deploy("cpu").code == 0


def test_after_a_build_that_failed(machine, functions):
    deployed_before(machine, functions)
    machine.answer({"nuctl deploy cats": [BROKEN, AS_USUAL]})
    done = machine.deploy("cpu")
    assert done.code == 1
    assert done.table == ["cats  failed     -      it rained in. The version before (0123456789abcdef) is back."]
    image = "preannotate.cats:0123456789abcdef"
    assert ["docker", "tag", "sha256:cats", image] in done.calls
    flags = ["--project-name", "cvat", "--platform", "local", "--file", "WORK/function.yaml", "--run-image", image]
    assert done.deployed()[1:] == [["nuctl", "deploy", *flags]]
    text = machine.staged("cats").read_text("utf-8")
    assert "value: before" in text  # as nuclio ran it, not as the image's file says
    assert f"port: {machine.port}\n" in text
    assert not [words for words in ("build:", "status:", "httpPort") if words in text]


def test_after_a_version_that_crashes(machine, functions):
    deployed_before(machine, functions)
    crash, good = {"out": "running false 1 4\n"}, {"out": "running false 0 0\n"}
    machine.answer(
        {
            "docker exec": [AS_USUAL, {"code": 1}, AS_USUAL],
            STATE: [crash, good],
            "docker logs": {"out": "ValueError: no such thing\n"},
        }
    )
    done = machine.deploy("cpu")
    assert done.code == 1
    assert done.table == [
        "cats  failed     -      ValueError: no such thing. The version before (0123456789abcdef) is back."
    ]


def test_the_command_for_it_where_it_cannot_be_put_back(machine, functions):
    deployed_before(machine, functions)
    machine.answer({"nuctl deploy cats": BROKEN})
    done = machine.deploy("cpu")
    assert done.table == [
        "cats  failed     -      it rained in. The version before is not back: "
        "./deploy.sh rollback cats 0123456789abcdef"
    ]


def test_what_did_not_answer_before_is_not_put_back(machine, functions):
    deployed_before(machine, functions)
    machine.answer({"nuctl deploy cats": BROKEN, "docker exec": {"out": "503\n"}})
    done = machine.deploy("cpu")
    assert (done.table, len(done.deployed())) == (["cats  failed     -      it rained in"], 1)


def test_no_image_is_pulled_that_is_here(machine, functions):
    functions()
    version = 'Client version:\n"Label: 1.13.0, Git commit: 0, OS: linux, Arch: amd64"\n'
    images = "quay.io/nuclio/uhttpc:0.0.1-amd64\nquay.io/nuclio/handler-builder-python-onbuild:1.13.0-{}\n"
    machine.answer({"nuctl version": {"out": version}, "docker image ls": {"out": images.format("amd64")}})
    assert "--no-pull" in machine.deploy("cpu").deployed()[0]
    machine.answer({"nuctl version": {"out": version}, "docker image ls": {"out": images.format("arm64")}})
    assert "--no-pull" not in machine.deploy("cpu").deployed()[0]
    assert "--no-pull" in machine.deploy("cpu", "--no-pull").deployed()[0]
