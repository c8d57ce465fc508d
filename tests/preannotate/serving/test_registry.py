"""Directories that come, change, break and go while the server runs."""

import asyncio
import contextlib
import os
import shutil

import httpx
import pytest
from support.functions import prove

from builder import function_directory
from builder.function_directory import file_digest
from preannotate.serving import registry as registry_module
from preannotate.serving.errors import DirectoryError
from preannotate.serving.registry import FunctionRegistry

pytestmark = pytest.mark.anyio


def saying(word: str) -> str:
    return f"def handler(context, event): return {word!r}\n"


async def look_twice(registry: FunctionRegistry) -> None:
    """What two polls do: the first sees a change, the second that it is complete."""
    await registry.scan()
    await registry.scan()
    for function in registry.functions.values():
        await function.settled()


async def call(client: httpx.AsyncClient, name: str = "echo") -> tuple[int, str]:
    answer = await client.post("/api/function_invocations", headers={"x-nuclio-function-name": name})
    return answer.status_code, answer.text


async def test_new_directory_is_served_once_it_is_at_rest(write_function, serving):
    write_function("echo", saying("first"))
    async with serving() as (registry, client):
        write_function("second", saying("second"))
        await registry.scan()
        assert list(registry.functions) == ["echo"]
        await look_twice(registry)

        assert list((await client.get("/api/functions")).json()) == ["echo", "second"]
        assert await call(client, "second") == (200, "second")


async def test_changed_directory_is_served_anew_on_the_same_port(write_function, serving):
    write_function("echo", saying("old"))
    async with serving() as (registry, client):
        port = registry.functions["echo"].port
        assert await call(client) == (200, "old")
        write_function("echo", saying("new"), change=lambda content: content["spec"].update(description="New"))
        await look_twice(registry)

        assert await call(client) == (200, "new")
        listed = (await client.get("/api/functions/echo")).json()
        assert listed["spec"]["description"] == "New"
        assert listed["status"]["httpPort"] == port
        async with httpx.AsyncClient() as direct:
            assert (await direct.get(f"http://127.0.0.1:{port}/")).text == "new"


async def test_old_version_answers_while_the_new_one_starts(write_function, serving):
    directory = write_function("echo", saying("old"))
    async with serving() as (registry, client):
        waiting = "import os, time\nwhile not os.path.exists('../go'): time.sleep(0.005)\n"
        write_function("echo", waiting + saying("new"))
        await registry.scan()
        await registry.scan()

        assert await call(client) == (200, "old")
        (directory.parent / "go").touch()
        await registry.functions["echo"].settled()
        assert await call(client) == (200, "new")


async def test_change_for_the_worse_is_an_error_and_a_repair_heals_it(write_function, serving):
    write_function("echo", saying("old"))
    async with serving() as (registry, client):
        write_function("echo", "raise ValueError('broken')")
        await look_twice(registry)
        assert (await call(client))[0] == 503
        assert registry.functions["echo"].state == "error"

        write_function("echo", saying("repaired"))
        await look_twice(registry)
        assert await call(client) == (200, "repaired")


async def test_directory_that_is_replaced_while_it_is_read_is_read_again(write_function, serving, monkeypatch):
    write_function("echo", saying("old"))
    async with serving() as (registry, client):
        read, replaced = registry_module._read_proven, []

        def read_half(path, file_name):
            if not replaced:
                replaced.append(path)
                write_function("echo", saying("newest"))
                raise DirectoryError("bytes of two versions")
            return read(path, file_name)

        monkeypatch.setattr(registry_module, "_read_proven", read_half)
        write_function("echo", saying("new"))
        await look_twice(registry)
        assert replaced
        assert registry.problems == []
        assert await call(client) == (200, "old")
        await look_twice(registry)
        assert await call(client) == (200, "newest")


async def test_removed_directory_is_no_longer_served(write_function, serving):
    write_function("echo", saying("here"))
    directory = write_function("other", saying("there"))
    async with serving() as (registry, client):
        port = registry.functions["other"].port
        shutil.rmtree(directory.parent)
        await look_twice(registry)

        assert list((await client.get("/api/functions")).json()) == ["echo"]
        assert (await call(client, "other"))[0] == 404
        assert await call(client) == (200, "here")
        await registry.stop()
        async with httpx.AsyncClient() as direct:
            with pytest.raises(httpx.ConnectError):
                while True:  # the port closes within a moment, and stays closed; who came before that may be cut off
                    with contextlib.suppress(httpx.ReadError, httpx.RemoteProtocolError):
                        await direct.get(f"http://127.0.0.1:{port}/")


async def test_directory_without_its_yaml_is_gone_and_comes_back(write_function, serving):
    directory = write_function("echo", saying("here"))
    async with serving() as (registry, client):
        (directory / "function.yaml").unlink()
        await look_twice(registry)
        assert registry.functions == {}

        write_function("echo", saying("again"))
        await look_twice(registry)
        assert await call(client) == (200, "again")


async def test_faulty_metadata_keeps_only_its_own_function_out(write_function, serving, caplog):
    write_function("echo", saying("here"))
    async with serving() as (registry, client):
        directory = write_function(
            "faulty", change=lambda content: content["metadata"]["annotations"].update(spec="[{}]")
        )
        await look_twice(registry)
        sentence = (
            f"{directory / 'function.yaml'}: annotation spec: number 1 of the labels has no name; "
            f"expected a text. Add one."
        )

        assert list((await client.get("/api/functions")).json()) == ["echo"]
        assert (await client.get("/api/functions/faulty")).status_code == 404
        assert registry.problems == [sentence]
        assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [sentence]
        assert await call(client) == (200, "here")

        write_function("faulty", saying("mended"))
        await look_twice(registry)
        assert registry.problems == []
        assert await call(client, "faulty") == (200, "mended")


async def test_metadata_that_becomes_faulty_takes_the_function_out(write_function, serving):
    write_function("echo", saying("here"))
    async with serving() as (registry, _):
        write_function("echo", change=lambda content: content["metadata"].update(annotations={}))
        await look_twice(registry)

        assert registry.functions == {}
        assert len(registry.problems) == 1


async def test_second_function_of_a_name_waits_for_the_first_to_go(write_function, serving):
    first = write_function("a", saying("a"), change=lambda content: content["metadata"].update(name="echo"))
    second = write_function("b", saying("b"), change=lambda content: content["metadata"].update(name="echo"))
    async with serving() as (registry, client):
        assert await call(client) == (200, "a")
        assert registry.problems == [
            f"{second / 'function.yaml'}: metadata.name is 'echo', as in {first}; "
            f"expected a unique name. Rename one of them."
        ]
        shutil.rmtree(first)
        await look_twice(registry)
        await look_twice(registry)

        assert registry.problems == []
        assert await call(client) == (200, "b")


async def test_function_may_change_its_name(write_function, serving):
    directory = write_function("echo", saying("here"))
    async with serving() as (registry, client):
        text = (directory / "function.yaml").read_text()
        (directory / "function.yaml").write_text(text.replace("name: echo", "name: renamed"))
        await look_twice(registry)

        assert list((await client.get("/api/functions")).json()) == ["renamed"]
        assert await call(client, "renamed") == (200, "here")


async def test_folder_that_goes_away_changes_nothing(write_function, serving, tmp_path):
    write_function("echo", saying("here"))
    async with serving() as (registry, client):
        (tmp_path / "functions").rename(tmp_path / "away")
        await look_twice(registry)
        assert registry.problems == [
            f"{tmp_path / 'functions'}: No such file or directory; expected a folder. Nothing is changed."
        ]
        assert await call(client) == (200, "here")

        (tmp_path / "away").rename(tmp_path / "functions")
        await look_twice(registry)
        assert registry.problems == []


async def test_a_file_that_is_not_the_proven_one_is_named_and_its_return_heals_it(write_function, serving):
    path = write_function("echo", saying("proven"))
    (path / "model.bin").write_bytes(b"weights")
    prove(path)
    async with serving() as (registry, client):
        assert await call(client) == (200, "proven")
        (path / "model.bin").write_bytes(b"WEIGHTS")
        os.utime(path / "model.bin", (1, 1))  # whatever its date
        await look_twice(registry)
        assert registry.functions == {}
        (problem,) = registry.problems
        assert problem.startswith(f"{path}: model.bin: changed after the proof; expected the bytes that were proven. ")

        (path / "model.bin").write_bytes(b"weights")
        await look_twice(registry)
        assert registry.problems == []
        assert await call(client) == (200, "proven")


async def test_files_are_read_once_for_each_change_and_never_for_a_request(write_function, serving, monkeypatch):
    path = write_function("echo", saying("proven"))
    prove(path)
    reads = []
    monkeypatch.setattr(function_directory, "file_digest", lambda file: reads.append(file) or file_digest(file))
    async with serving() as (registry, client):
        assert reads == [path / "main.py"]
        for _ in range(3):
            await registry.scan()
            assert await call(client) == (200, "proven")

    assert reads == [path / "main.py"]


async def test_pipes_devices_and_circles_of_links_hold_nobody_up(write_function, serving, tmp_path):
    write_function("good", saying("here"))
    for name in ("pipe", "device", "parity"):
        prove(write_function(name, saying(name)))
    os.mkfifo(tmp_path / "functions" / "pipe" / "nuclio" / "more.py")
    (tmp_path / "functions" / "device" / "nuclio" / "more.py").symlink_to("/dev/zero")
    (tmp_path / "functions" / "parity" / "nuclio" / "parity.json").unlink()
    os.mkfifo(tmp_path / "functions" / "parity" / "nuclio" / "parity.json")
    circle = write_function("circle", saying("round"))
    for name in ("x", "y", "z"):
        (circle / name).symlink_to(circle)
    os.mkfifo(tmp_path / "functions" / "not-a-folder")
    (tmp_path / "functions" / "only-a-pipe" / "nuclio").mkdir(parents=True)
    os.mkfifo(tmp_path / "functions" / "only-a-pipe" / "nuclio" / "function.yaml")
    async with asyncio.timeout(60), serving() as (registry, client):
        assert list(registry.functions) == ["circle", "good"]
        assert (await call(client, "good"), await call(client, "circle")) == ((200, "here"), (200, "round"))
        folder = tmp_path / "functions"
        assert registry.problems == [
            f"{folder / 'device/nuclio/more.py'}: a pipe or a device; expected a file. Remove it.",
            f"{folder / 'parity/nuclio/parity.json'}: a pipe, a device or a folder; expected a file. "
            "Build the function again.",
            f"{folder / 'pipe/nuclio/more.py'}: a pipe or a device; expected a file. Remove it.",
        ]


async def test_directory_with_links_to_too_much_is_left_out(write_function, serving, tmp_path, monkeypatch):
    monkeypatch.setattr(function_directory, "MAX_FILES", 20)
    write_function("good", saying("here"))
    large = write_function("large", saying("large"))
    prove(large)
    (tmp_path / "elsewhere").mkdir()
    for number in range(30):
        (tmp_path / "elsewhere" / str(number)).touch()
    (large / "all").symlink_to(tmp_path / "elsewhere")
    async with serving() as (registry, _):
        assert list(registry.functions) == ["good"]
        assert [problem.split("; ")[0] for problem in registry.problems] == [
            f"{large}: more than 20 files, counting what links lead to"
        ]
