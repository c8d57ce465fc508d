"""Workers that die, hang, or are all busy; the limits of a function.yaml; and the queue of requests."""

import asyncio
import gc
import os
import re
import signal
from pathlib import Path

import httpx
import psutil
import pytest

from preannotate.core.secrets import SECRET_VARIABLES
from preannotate.serving import pool
from preannotate.serving.errors import ClientGone, NoWorkerFree, QueueFull
from preannotate.serving.pool import MAX_WAITING, RequestQueue
from runtime.processors import cores

pytestmark = pytest.mark.anyio

# Of the handlers below: "wait" lasts until the test opens the gate.
WAIT = """
import os, time
def wait():
    open("../begun", "w").close()
    while not os.path.exists("../open"):
        time.sleep(0.005)
"""
# "die", "hang" and "wait" are orders; the answer is the process id.
MORTAL = f"""
{WAIT}
def handler(context, event):
    if event.body == b"die":
        os._exit(7)
    if event.body == b"hang":
        time.sleep(60)
    if event.body == b"wait":
        wait()
    return str(os.getpid())
"""


async def call(client: httpx.AsyncClient, body: bytes = b"") -> httpx.Response:
    return await client.post("/api/function_invocations", headers={"x-nuclio-function-name": "echo"}, content=body)


class Gate:
    """What the order "wait" waits for."""

    def __init__(self, folder: Path) -> None:
        self._begun, self._open = folder / "begun", folder / "open"

    async def keep_busy(self, client: httpx.AsyncClient) -> "asyncio.Task[httpx.Response]":
        """Send a request that is not answered before `open`; return once a worker has it."""
        request = asyncio.create_task(call(client, b"wait"))
        while not self._begun.exists() and not request.done():
            await asyncio.sleep(0.01)
        return request

    def open(self) -> None:
        self._open.touch()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "functions" / "echo")


def set_trigger(**changes):
    return lambda content: content["spec"]["triggers"]["myHttpTrigger"].update(changes)


async def test_worker_that_dies_is_503_and_the_next_is_answered(write_function, serving):
    write_function(main=MORTAL)
    async with serving() as (_, client):
        before = await call(client)
        died = await call(client, b"die")
        after = await call(client)

        assert died.status_code == 503
        assert died.headers["retry-after"] == "1"
        assert died.json() == {
            "error": "echo/0: the worker failed (exit code 7) while it had this request; "
            "a new one is started. See the server's log."
        }
        assert after.status_code == 200
        assert after.text != before.text


@pytest.mark.parametrize("order", [b"raise", b"hog"])
async def test_worker_without_memory_is_503_and_replaced(write_function, serving, order):
    write_function(main=HOG)
    async with serving() as (_, client):
        before = await call(client)
        died = await call(client, order)
        after = await call(client)

        assert died.status_code == 503
        assert died.headers["retry-after"] == "1"
        assert died.json() == {
            "error": "echo/0: the worker failed (out of memory) while it had this request; "
            "a new one is started. See the server's log."
        }
        assert (before.status_code, after.status_code) == (200, 200)
        assert after.text != before.text


HOG = """
import os, resource
def handler(context, event):
    if event.body == b"raise":
        raise MemoryError
    if event.body == b"hog":
        resource.setrlimit(resource.RLIMIT_AS, (500_000_000, 500_000_000))
        hoard = []
        while True:
            hoard.append(bytearray(10_000_000))
    return str(os.getpid())
"""


async def test_request_too_large_for_a_workers_memory_is_503(write_function, serving):
    main = """
import resource
def init_context(context): resource.setrlimit(resource.RLIMIT_AS, (500_000_000, 500_000_000))
def handler(context, event): return str(len(event.body))
"""
    attributes = {"maxRequestBodySize": 600_000_000}
    write_function(main=main, change=set_trigger(attributes=attributes))
    async with serving() as (_, client):
        died = await call(client, bytes(520_000_000))

        assert died.status_code == 503
        assert "(out of memory) while it had this request" in died.json()["error"]
        assert (await call(client, b"x")).text == "1"


async def test_worker_that_the_system_kills_is_503_with_the_likely_cause(write_function, serving):
    write_function(main="import os\ndef handler(context, event): os.kill(os.getpid(), 9)\n")
    async with serving() as (_, client):
        died = await call(client)

        assert died.status_code == 503
        assert died.json() == {
            "error": "echo/0: the worker failed (ended by the system (SIGKILL), most likely for lack of memory) "
            "while it had this request; a new one is started. See the server's log."
        }


async def test_workers_come_first_where_the_system_looks_for_memory(write_function, serving):
    write_function(main="def handler(c, e): return open('/proc/self/oom_score_adj').read()\n")
    async with serving() as (_, client):
        assert (await call(client)).text == "500\n"


async def test_what_a_worker_started_ends_with_it(write_function, serving):
    main = """
import os, subprocess
def handler(context, event):
    child = subprocess.Popen(["sleep", "300"])
    open(event.body.decode(), "w").write(str(child.pid))
    os._exit(1)
"""
    directory = write_function(main=main)
    async with serving() as (_, client):
        note = directory.parent / "child"
        assert (await call(client, str(note).encode())).status_code == 503
        child = int(note.read_text())
        while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_workers_that_die_leave_no_processes_and_no_open_files(write_function, serving):
    write_function(main=MORTAL)
    this = psutil.Process()

    async def deaths(count: int) -> tuple[int, int]:
        for _ in range(count):
            assert (await call(client, b"die")).status_code == 503
            assert (await call(client)).status_code == 200
        counts = []
        for _ in range(20):  # what just died is let go of a moment later
            await asyncio.sleep(0.05)
            gc.collect()
            counts.append((this.num_fds(), len(this.children())))
        return min(counts)

    async with serving() as (_, client):
        assert await deaths(3) == await deaths(12)


async def test_idle_worker_that_is_killed_is_replaced_without_a_lost_request(write_function, serving):
    write_function(main=MORTAL)
    async with serving() as (registry, client):
        pid = int((await call(client)).text)
        os.kill(pid, signal.SIGKILL)
        while registry.functions["echo"].state == "ready":
            await asyncio.sleep(0.01)
        after = await call(client)

        assert after.status_code == 200
        assert int(after.text) != pid


KILLED_AT_START = """
import os, signal
tries = open("../tries", "a")
tries.write("x")
tries.close()
if os.path.getsize("../tries") <= {kills}:
    os.kill(os.getpid(), signal.SIGKILL)
def handler(context, event): return str(os.getpid())
"""


@pytest.mark.parametrize("workers", [1, 2])
async def test_workers_killed_while_they_start_are_replaced_and_requests_wait_for_them(
    write_function, serving, monkeypatch, workers
):
    monkeypatch.setattr(pool, "RESTART_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(pool, "MAX_KILLED_DELAY_SECONDS", 0.05)
    monkeypatch.setattr(pool, "MAX_BROKEN_DELAY_SECONDS", 3600.0)
    write_function(main=KILLED_AT_START.format(kills=7), change=set_trigger(numWorkers=workers))
    async with serving() as (registry, client):
        function = registry.functions["echo"]
        health = await client.get("/healthz")
        assert (health.status_code, health.json()["status"]) == (503, "degraded")
        assert function.state == "unhealthy"
        assert function.health()["problem"] == (
            f"echo: 0 of {workers} workers are running ({function.health()['cause']})."
        )
        assert "before it was ready (ended by the system (SIGKILL)" in function.health()["cause"]
        assert (await call(client)).status_code == 200
        while function.health()["workers"] < workers:
            await asyncio.sleep(0.01)

        health = await client.get("/healthz")
        assert (health.status_code, health.json()["status"]) == (200, "ok")
        assert (function.health()["problem"], function.health()["cause"]) == ("", "")


async def test_nothing_ends_a_keeper(write_function, serving, monkeypatch, caplog):
    monkeypatch.setattr(pool, "RESTART_DELAY_SECONDS", 0.01)
    faults = iter(
        [RuntimeError("can't start new thread"), MemoryError(), KeyError("head"), OSError("no more processes")]
    )
    start = pool.HandlerProcess.start

    async def unlucky(*arguments):
        if (fault := next(faults, None)) is not None:
            raise fault
        return await start(*arguments)

    monkeypatch.setattr(pool.HandlerProcess, "start", unlucky)
    write_function(main=MORTAL)
    async with serving() as (registry, client):
        assert registry.functions["echo"].health()["cause"] == "echo/0: can't start new thread"
        assert (await call(client)).status_code == 200
        assert registry.functions["echo"].health()["cause"] == ""

    logged = [record for record in caplog.records if record.levelname == "ERROR" and record.exc_info]
    assert [record.getMessage() for record in logged] == [
        "echo/0: the worker could not be kept running; trying again."
    ] * 4


async def test_function_with_fewer_workers_than_asked_is_degraded_and_says_so(write_function, serving, gate):
    main = """
import os
def init_context(context):
    if context.worker_id == "1":
        raise ValueError("no second place")
def handler(context, event): return "here"
"""
    write_function(main=main, change=set_trigger(numWorkers=2))
    async with serving() as (registry, client):
        health = await client.get("/healthz")
        listed = (await client.get("/api/functions/echo")).json()["status"]
        own = await httpx.AsyncClient().get(f"http://127.0.0.1:{registry.functions['echo'].port}/__internal/health")

        sentence = "echo: 1 of 2 workers are running (echo/1: ValueError: no second place)."
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        found = health.json()["functions"]["echo"]
        assert (found["workers"], found["workers_asked"], found["problem"]) == (1, 2, sentence)
        assert (listed["state"], listed["message"]) == ("ready", sentence)
        assert own.status_code == 200
        assert (await call(client)).text == "here"


async def test_request_whose_worker_is_killed_is_answered_by_another(write_function, serving, caplog):
    main = """
import os
def handler(context, event):
    if not os.path.exists("../killed"):
        open("../killed", "w").close()
        os.kill(os.getpid(), 9)
    return event.body
"""
    write_function(main=main)
    async with serving() as (_, client):
        answer = await call(client, b"an image")

        assert (answer.status_code, answer.text) == (200, "an image")
    assert "echo: the request is tried once more." in [record.getMessage() for record in caplog.records]


async def test_request_that_kills_its_workers_gets_two_of_them_and_no_more(write_function, serving):
    main = """
import os
def handler(context, event):
    if event.body == b"poison":
        with open("../deaths", "a") as deaths:
            deaths.write("x")
        os._exit(3)
    return "here"
"""
    directory = write_function(main=main, change=set_trigger(numWorkers=3))
    async with serving() as (_, client):
        assert (await call(client, b"poison")).status_code == 503
        assert (directory.parent / "deaths").read_text() == "xx"
        assert (await call(client)).text == "here"


async def test_request_whose_worker_died_gets_no_other_once_its_caller_is_gone(write_function, live, gate):
    main = f"""
{WAIT}
def handler(context, event):
    if event.body == b"wait":
        wait()
        with open("../deaths", "a") as deaths:
            deaths.write("x")
        os._exit(3)
    return "here"
"""
    directory = write_function(main=main)
    async with live() as server, httpx.AsyncClient(base_url=server.url) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(
                "/api/function_invocations", headers={"x-nuclio-function-name": "echo"}, content=b"wait", timeout=0.1
            )
        gate.open()
        assert (await call(client)).text == "here"
        assert (directory.parent / "deaths").read_text() == "x"


async def test_handler_over_its_time_is_504_and_the_next_is_answered(write_function, serving):
    write_function(main=MORTAL, change=lambda content: content["spec"].update(eventTimeout="300ms"))
    async with serving() as (_, client):
        before = await call(client)
        late = await call(client, b"hang")
        after = await call(client)

        assert late.status_code == 504
        assert "retry-after" not in late.headers
        assert late.json() == {
            "error": "echo/0: the handler took longer than 0.3 s; a new worker is started. "
            "Send a smaller image, or raise eventTimeout in function.yaml."
        }
        assert after.status_code == 200
        assert after.text != before.text
        with pytest.raises(ProcessLookupError):
            os.kill(int(before.text), 0)


async def test_no_free_worker_is_503(write_function, serving, gate):
    write_function(main=MORTAL, change=set_trigger(workerAvailabilityTimeoutMilliseconds=100))
    async with serving() as (_, client):
        first = await gate.keep_busy(client)
        second = await call(client)
        gate.open()

        assert (await first).status_code == 200
        assert second.status_code == 503
        assert second.headers["retry-after"] == "1"
        assert second.json() == {
            "error": "echo: no worker became free within 0.1 s "
            "(1 of 1 are running, the function is ready). Try again later."
        }


async def test_full_queue_is_503_at_once_and_those_that_wait_are_answered(write_function, serving, gate):
    write_function(main=MORTAL)
    async with serving() as (registry, client):
        first = await gate.keep_busy(client)
        waiting = [asyncio.create_task(call(client)) for _ in range(MAX_WAITING)]
        while registry.functions["echo"].health()["waiting"] < MAX_WAITING:
            await asyncio.sleep(0.01)
        refused = await call(client)

        assert not first.done()
        gate.open()
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert refused.json() == {
            "error": "echo: 64 requests are already waiting for a worker, the most that may. Try again later."
        }
        assert {answer.status_code for answer in await asyncio.gather(first, *waiting)} == {200}


COUNTED = f"""
{WAIT}
count = 0
def handler(context, event):
    global count
    count += 1
    if event.body == b"wait":
        wait()
    return str(count)
"""


async def test_caller_that_hangs_up_while_it_waits_costs_no_worker(write_function, live, gate):
    write_function(main=COUNTED)
    async with live() as server, httpx.AsyncClient(base_url=server.url) as client:
        function = server.registry.functions["echo"]
        first = await gate.keep_busy(client)
        _, writer = await asyncio.open_connection("127.0.0.1", function.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        while not function.health()["waiting"]:
            await asyncio.sleep(0.01)
        writer.close()
        while function.health()["waiting"]:
            await asyncio.sleep(0.01)

        assert not first.done()
        gate.open()
        assert (await first).text == "1"
        assert (await call(client)).text == "2"


async def test_caller_whose_patience_ends_while_it_waits_costs_no_worker(write_function, serving, gate):
    write_function(main=COUNTED)
    async with serving() as (registry, client):
        first = await gate.keep_busy(client)
        headers = {"x-nuclio-function-name": "echo", "X-Nuclio-Invoke-Timeout": "50ms"}
        gone = await client.post("/api/function_invocations", headers=headers, content=b"")

        assert gone.status_code == 504
        while registry.functions["echo"].health()["waiting"]:
            await asyncio.sleep(0.01)
        assert not first.done()
        gate.open()
        assert (await first).text == "1"
        assert (await call(client)).text == "2"


async def test_caller_that_hangs_up_while_a_worker_is_busy_leaves_it_whole(write_function, live, gate):
    write_function(main=COUNTED)
    async with live() as server, httpx.AsyncClient(base_url=server.url) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(
                "/api/function_invocations", headers={"x-nuclio-function-name": "echo"}, content=b"wait", timeout=0.1
            )
        gate.open()
        assert (await call(client)).text == "2"


async def test_time_of_zero_does_not_wait_but_takes_a_free_worker(write_function, serving, gate):
    write_function(main=MORTAL, change=set_trigger(workerAvailabilityTimeoutMilliseconds=0))
    async with serving() as (_, client):
        first = await gate.keep_busy(client)
        second = await call(client)
        gate.open()

        assert ((await first).status_code, second.status_code) == (200, 503)


async def test_two_workers_answer_at_once_and_share_the_cores(write_function, serving):
    main = """
import os, time
def handler(context, event):
    open("../" + context.worker_id, "w").close()
    while not os.path.exists("../0") or not os.path.exists("../1"):
        time.sleep(0.005)
    return os.environ["MODEL_THREADS"] + " " + context.worker_id
"""
    write_function(main=main, change=set_trigger(numWorkers=2))
    async with serving() as (_, client):
        answers = await asyncio.gather(call(client), call(client))

        threads = max(1, cores() // 2)
        assert sorted(answer.text for answer in answers) == [f"{threads} 0", f"{threads} 1"]


async def test_number_of_workers_can_be_overridden(write_function, serving):
    write_function(main=MORTAL)
    async with serving(workers=2) as (_, client):
        found = (await client.get("/healthz")).json()["functions"]["echo"]

        assert found["workers"] == 2


async def test_workers_do_not_inherit_secrets(write_function, serving, monkeypatch):
    for variable in SECRET_VARIABLES:
        monkeypatch.setenv(variable, "0123456789abcdefgh")
    write_function(main="import os\ndef handler(c, e): return repr(dict(os.environ))\n")
    async with serving() as (_, client):
        assert "0123456789abcdefgh" not in (await call(client)).text


async def test_threads_of_function_yaml_stand(write_function, serving):
    def change(content):
        content["spec"]["env"] = [{"name": "MODEL_THREADS", "value": "7"}]

    write_function(main="import os\ndef handler(c, e): return os.environ['MODEL_THREADS']\n", change=change)
    async with serving() as (_, client):
        assert (await call(client)).text == "7"


async def test_broken_function_is_an_error_beside_a_good_one(write_function, serving):
    write_function("echo", MORTAL)
    write_function("broken", "raise RuntimeError('no model')")
    async with serving() as (_, client):
        listed = (await client.get("/api/functions")).json()
        good = await call(client)
        bad = await client.post("/api/function_invocations", headers={"x-nuclio-function-name": "broken"}, content=b"")

        assert listed["broken"]["status"]["state"] == "error"
        assert listed["broken"]["status"]["message"] == "broken/0: RuntimeError: no model"
        assert listed["echo"]["status"]["state"] == "ready"
        assert good.status_code == 200
        assert bad.status_code == 503
        assert "retry-after" not in bad.headers  # nothing will change until somebody corrects it
        assert bad.json() == {"error": "broken: not ready (broken/0: RuntimeError: no model). Fix the function."}


async def test_function_that_could_not_start_is_tried_again(write_function, serving, monkeypatch, tmp_path, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(pool, "MAX_BROKEN_DELAY_SECONDS", 0.06)
    monkeypatch.setattr(pool, "RESTART_DELAY_SECONDS", 0.01)
    tries = tmp_path / "tries"
    main = f"open({str(tries)!r}, 'a').write('x')\nopen({str(tmp_path / 'late')!r})\n"
    write_function(main=f"{main}def handler(context, event): return 'here'\n")
    cause = f"echo/0: FileNotFoundError: [Errno 2] No such file or directory: '{tmp_path / 'late'}'"
    async with serving() as (registry, client):
        function = registry.functions["echo"]
        assert (function.state, function.health()["cause"]) == ("error", cause)
        while len(tries.read_text()) < 3:
            await asyncio.sleep(0.02)
        (tmp_path / "late").touch()
        while function.state == "error":
            await asyncio.sleep(0.05)
        assert (function.state, function.health()["cause"]) == ("ready", "")
        assert (await call(client)).text == "here"

    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    told = (
        f"echo: could not be started ({cause}). It is tried again, less and less often, and when its directory changes."
    )
    assert errors == [cause, told]  # however often it was tried


async def test_request_that_waits_when_all_ends_is_told_so_at_once(write_function, serving, gate):
    write_function(main=MORTAL)
    async with serving() as (registry, client):
        hanging = await gate.keep_busy(client)
        waiting = asyncio.create_task(call(client))
        while not registry.functions["echo"].health()["waiting"]:
            await asyncio.sleep(0.01)
        await registry.functions["echo"].stop(drain_seconds=0)

        assert (await hanging).status_code == 503
        told = await waiting
        assert told.status_code == 503
        assert told.json() == {"error": "echo: the function is being stopped. Try again later."}


async def test_request_in_flight_is_answered_before_the_pool_ends(write_function, serving, gate):
    write_function(main=MORTAL)
    async with serving() as (registry, client):
        request = await gate.keep_busy(client)
        stopping = asyncio.create_task(registry.functions["echo"].stop())
        await asyncio.sleep(0)
        gate.open()
        await stopping

        assert (await request).status_code == 200


async def test_request_that_does_not_end_is_cut_off(write_function, serving, gate):
    write_function(main=MORTAL)
    async with serving() as (registry, client):
        hanging = await gate.keep_busy(client)
        await registry.functions["echo"].stop(drain_seconds=0)

        assert (await hanging).status_code == 503


class Worker:
    alive = True


def nobody_leaves() -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()


async def turns(queue: RequestQueue, count: int, seconds: float = 10) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(queue.take(seconds, nobody_leaves())) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_free_worker_is_taken_at_once_and_only_once():
    queue, worker = RequestQueue("echo"), Worker()
    queue.offer(worker)

    assert await queue.take(0, nobody_leaves()) is worker
    with pytest.raises(TimeoutError):
        await queue.take(0, nobody_leaves())


async def test_first_come_is_first_served():
    queue, workers = RequestQueue("echo"), [Worker(), Worker(), Worker()]
    waiting = await turns(queue, 3)
    assert queue.waiting == 3
    for worker in workers:
        queue.offer(worker)

    assert await asyncio.gather(*waiting) == workers
    assert queue.waiting == 0


async def test_queue_has_a_limit():
    queue = RequestQueue("echo", limit=2)
    waiting = await turns(queue, 2)
    sentence = "echo: 2 requests are already waiting for a worker, the most that may. Try again later."
    with pytest.raises(QueueFull, match=f"^{re.escape(sentence)}$"):
        await queue.take(10, nobody_leaves())
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)

    assert queue.waiting == 0


async def test_whoever_waits_too_long_leaves_the_queue():
    queue = RequestQueue("echo")
    with pytest.raises(TimeoutError):
        await queue.take(0.01, nobody_leaves())
    worker = Worker()
    queue.offer(worker)

    assert queue.waiting == 0
    assert await queue.take(0, nobody_leaves()) is worker


async def test_caller_that_hangs_up_leaves_the_queue_and_the_next_moves_up():
    queue, client_gone, worker = RequestQueue("echo"), nobody_leaves(), Worker()
    gone = asyncio.create_task(queue.take(10, client_gone))
    (patient,) = await turns(queue, 1)
    client_gone.set_result(None)
    with pytest.raises(ClientGone, match=r"^echo: the client disconnected while it waited for a worker\.$"):
        await gone
    queue.offer(worker)

    assert await patient is worker


@pytest.mark.parametrize("how", ["left", "cancelled"])
async def test_worker_given_to_somebody_who_leaves_in_the_same_moment_is_not_lost(how):
    queue, client_gone, worker = RequestQueue("echo"), nobody_leaves(), Worker()
    gone = asyncio.create_task(queue.take(10, client_gone))
    (patient,) = await turns(queue, 1)
    queue.offer(worker)
    if how == "left":
        client_gone.set_result(None)
    else:
        gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)

    assert await patient is worker


async def test_dead_workers_are_passed_over():
    queue, dead, worker = RequestQueue("echo"), Worker(), Worker()
    dead.alive = False
    (waiting,) = await turns(queue, 1)
    queue.offer(dead)
    await asyncio.sleep(0)
    queue.offer(worker)
    assert await waiting is worker

    queue.offer(dead)
    queue.offer(worker)
    assert await queue.take(0, nobody_leaves()) is worker


async def test_worker_that_ended_while_free_is_forgotten():
    queue, worker = RequestQueue("echo"), Worker()
    queue.offer(worker)
    queue.withdraw(worker)
    queue.withdraw(worker)
    with pytest.raises(TimeoutError):
        await queue.take(0, nobody_leaves())


async def test_closed_queue_lets_nobody_wait():
    queue = RequestQueue("echo")
    (waiting,) = await turns(queue, 1)
    queue.close()
    sentence = re.escape("echo: the function is being stopped. Try again later.")
    with pytest.raises(NoWorkerFree, match=f"^{sentence}$"):
        await waiting
    with pytest.raises(NoWorkerFree, match=f"^{sentence}$"):
        await queue.take(10, nobody_leaves())
    assert queue.waiting == 0
