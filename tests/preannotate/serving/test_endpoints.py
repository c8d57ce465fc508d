"""The endpoints that CVAT calls, and the token: who is let in, by which header, to which pages."""

import base64
import json

import httpx
import pytest

pytestmark = pytest.mark.anyio
JSON = {"content-type": "application/json"}


async def call(client: httpx.AsyncClient, name: str = "echo", **options) -> httpx.Response:
    headers = {"x-nuclio-function-name": name, "x-nuclio-path": "/", **options.pop("headers", {})}
    return await client.post("/api/function_invocations", headers=headers, **options)


async def test_functions_are_listed_by_name_with_what_cvat_reads(write_function, serving):
    write_function("echo")
    async with serving() as (_, client):
        listed = (await client.get("/api/functions")).json()

        assert list(listed) == ["echo"]
        one = listed["echo"]
        assert one["metadata"]["name"] == "echo"
        assert one["metadata"]["labels"] == {"nuclio.io/project-name": "cvat"}
        assert json.loads(one["metadata"]["annotations"]["spec"])[0]["name"] == "cat"
        assert one["spec"]["description"] == "Answers what it is asked"
        assert one["status"]["state"] == "ready"
        assert isinstance(one["status"]["httpPort"], int)
        assert (await client.get("/api/functions/echo")).json() == one


async def test_unknown_function_is_404_as_json(write_function, serving):
    write_function("echo")
    async with serving() as (_, client):
        got = await client.get("/api/functions/nope")
        invoked = await call(client, "nope", json={})

        assert got.status_code == invoked.status_code == 404
        sentence = {"error": "nope: no such function; expected one of /api/functions."}
        assert got.json() == invoked.json() == sentence


async def test_call_without_a_name_is_400(write_function, serving):
    write_function("echo")
    async with serving() as (_, client):
        answer = await client.post("/api/function_invocations", json={})

        assert answer.status_code == 400
        assert answer.json() == {"error": "x-nuclio-function-name: header missing; expected the name of a function."}


async def test_unknown_pages_and_methods_answer_json(write_function, serving):
    write_function("echo")
    async with serving() as (_, client):
        page = await client.get("/nope")
        method = await client.delete("/api/functions")

        assert (page.status_code, page.json()) == (
            404,
            {"error": "/nope: not found; expected /api/functions or /healthz."},
        )
        assert (method.status_code, method.json()) == (
            405,
            {"error": "/api/functions: DELETE is not allowed here."},
        )


async def test_call_through_the_dashboard_reaches_the_handler(write_function, serving):
    write_function("echo", change=lambda content: content["spec"]["env"].append(COLOUR))
    async with serving() as (_, client):
        answer = await call(client, json={"image": "x"}, headers={"x-own-header": "mine"})

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        told = answer.json()
        assert told["body"] == {"image": "x"}
        assert told["greeting"] == "ready"
        assert told["header"] == "mine"
        assert told["env"] == "red"
        assert (told["method"], told["path"]) == ("POST", "/")
        assert told["trigger"] == ["http", "myHttpTrigger"]
        assert told["worker"] == "0"


COLOUR = {"name": "COLOUR", "value": "red"}


async def test_call_on_the_own_port_reaches_the_same_handler(write_function, serving):
    write_function("echo")
    async with serving() as (registry, client):
        through_dashboard = (await call(client, json=1)).json()
        port = registry.functions["echo"].port
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as direct:
            told = (await direct.put("/some/path?a=1&b=two", json=1)).json()
            health = await direct.get("/__internal/health")

        assert told["pid"] == through_dashboard["pid"]
        assert (told["method"], told["path"], told["fields"]) == ("PUT", "/some/path", {"a": "1", "b": "two"})
        assert (health.status_code, health.content) == (200, b"")


@pytest.mark.parametrize(
    ("content_type", "body", "seen"),
    [
        ("application/json", b'{"a": 1}', ("dict", {"a": 1})),
        ("application/json; charset=utf-8", b'{"a": 1}', ("bytes", '{"a": 1}')),
        ("application/json", b"not JSON", ("bytes", "not JSON")),
        ("application/json", b"", ("bytes", "")),
        ("text/plain", b"5", ("bytes", "5")),
        (None, b"[1]", ("bytes", "[1]")),
    ],
)
async def test_body_is_parsed_only_if_the_type_is_exactly_json(write_function, serving, content_type, body, seen):
    write_function("echo")
    headers = {"content-type": content_type} if content_type else {}
    async with serving() as (_, client):
        told = (await call(client, content=body, headers=headers)).json()

        assert (told["type"], told["body"]) == seen


async def test_body_over_the_limit_is_413_and_the_next_is_answered(write_function, serving):
    write_function("echo")
    async with serving() as (_, client):
        exact = await call(client, content=b"x" * 100_000)
        over = await call(client, content=b"x" * 100_001)
        after = await call(client, content=b"x")

        assert exact.status_code == after.status_code == 200
        assert over.status_code == 413
        assert over.json() == {
            "error": "echo: the body is larger than 100000 bytes; expected at most that. "
            "Send a smaller image, or raise maxRequestBodySize in function.yaml."
        }


async def test_callers_own_patience_ends_in_504_and_the_worker_goes_on(write_function, serving):
    directory = write_function("echo", SLOW_ONCE)
    async with serving() as (_, client):
        impatient = await call(client, content=b"slow", headers={"X-Nuclio-Invoke-Timeout": "50ms"})
        (directory.parent / "open").touch()
        after = await call(client, content=b"", headers={"X-Nuclio-Invoke-Timeout": "120s"})

        assert impatient.status_code == 504
        assert impatient.json() == {"error": "echo: no answer within 0.05 s, the limit that the caller set. Try again."}
        assert after.text == "2"  # the same process answered the first request, too


SLOW_ONCE = """
import os, time
count = 0
def handler(context, event):
    global count
    count += 1
    while event.body == b"slow" and not os.path.exists("../open"):
        time.sleep(0.005)
    return str(count)
"""


async def test_nuclio_headers_of_a_reply_stay_inside_and_others_pass(write_function, serving):
    write_function("echo", WITH_HEADERS)
    async with serving() as (_, client):
        answer = await call(client, content=b"")

        assert answer.headers["x-mine"] == "5"
        assert "x-nuclio-logs" not in answer.headers
        assert "x-list" not in answer.headers
        assert "x-bad" not in answer.headers
        assert answer.status_code == 201


WITH_HEADERS = """
def handler(context, event):
    headers = {"X-Mine": 5, "X-Nuclio-Logs": "[]", "X-List": [1], "X-Bad": "a\\r\\nX-Evil: 1",
               "Content-Length": "999"}
    return context.Response(headers=headers, body="made", status_code=201)
"""


async def test_health_names_states_and_problems(write_function, serving):
    write_function("good")
    write_function("unready", "raise ValueError('no model')")
    directory = write_function("faulty", change=lambda content: content["spec"].pop("description"))
    async with serving() as (_, client):
        answer = await client.get("/healthz")

        assert answer.status_code == 200
        told = answer.json()
        assert told["status"] == "degraded"
        assert {name: found["state"] for name, found in told["functions"].items()} == {
            "good": "ready",
            "unready": "error",
        }
        assert told["functions"]["good"]["workers"] == 1
        assert told["functions"]["unready"]["cause"] == "unready/0: ValueError: no model"
        assert told["problems"] == [
            f"{directory / 'function.yaml'}: spec.description is None; expected a text that is not empty. "
            f"CVAT would list no function at all."
        ]


async def test_health_is_ok_without_faults(write_function, serving):
    write_function("good")
    async with serving() as (_, client):
        assert (await client.get("/healthz")).json()["status"] == "ok"


async def test_cause_of_any_characters_can_be_told(write_function, serving):
    write_function("echo", "raise ValueError('Größe \\ud800')")
    async with serving() as (_, client):
        cause = "echo/0: ValueError: Größe \ud800"

        assert (await client.get("/api/functions/echo")).json()["status"]["message"] == cause
        assert (await client.get("/healthz")).json()["functions"]["echo"]["cause"] == cause
        assert (await call(client, content=b"")).json() == {"error": f"echo: not ready ({cause}). Fix the function."}


TOKEN = "0123456789abcdefgh"
REFUSED = {"error": "Authorization: missing or wrong token; expected the token of this server."}


def basic(text: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text).decode()}


ADMITTED = [
    {"Authorization": f"Bearer {TOKEN}"},
    {"authorization": f"bearer  {TOKEN}"},
    basic(f"cvat:{TOKEN}".encode()),
    basic(f":{TOKEN}".encode()),
]
NOT_ADMITTED = [
    {},
    {"Authorization": ""},
    {"Authorization": TOKEN},
    {"Authorization": "Bearer"},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": f"Bearer {TOKEN.upper()}"},
    {"Authorization": f"Digest {TOKEN}"},
    {"Authorization": "Basic \xff\xfe".encode("latin-1")},
    {"Authorization": "Basic !!!"},
    basic(TOKEN.encode()),
    basic(f"{TOKEN}:".encode()),
    basic(b"cvat:\xff\xfe"),
]


async def everything(server, client: httpx.AsyncClient, headers) -> list[httpx.Response]:
    port = server.registry.functions["echo"].port
    call = {**headers, "x-nuclio-function-name": "echo"}
    return [
        await client.get("/api/functions", headers=headers),
        await client.get("/api/functions/echo", headers=headers),
        await client.post("/api/function_invocations", headers=call, json=1),
        await client.post(f"http://127.0.0.1:{port}/", headers=headers, json=1),
    ]


async def test_whoever_has_the_token_is_answered_and_nobody_else(write_function, live):
    write_function("echo")
    async with live(token=TOKEN) as server, httpx.AsyncClient(base_url=server.url) as client:
        for headers in ADMITTED:
            assert [reply.status_code for reply in await everything(server, client, headers)] == [200] * 4
        for headers in NOT_ADMITTED:
            for reply in await everything(server, client, headers):
                assert (reply.status_code, reply.json()) == (401, REFUSED)
                assert reply.headers["www-authenticate"] == 'Basic realm="preannotate"'
        assert (await client.get("/nope")).status_code == 401


async def test_probes_need_no_token_and_learn_little(write_function, live):
    write_function("echo")
    async with live(token=TOKEN) as server, httpx.AsyncClient(base_url=server.url) as client:
        port = server.registry.functions["echo"].port

        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert set((await client.get("/healthz", headers=ADMITTED[0])).json()) == {"status", "functions", "problems"}
        inside = await client.get(f"http://127.0.0.1:{port}/__internal/health")
        assert (inside.status_code, inside.content) == (200, b"")


async def test_handler_does_not_see_the_token(write_function, live):
    main = """
import os
def handler(context, event):
    return repr(event.headers) + repr(dict(os.environ))
"""
    write_function("echo", main)
    async with live(token=TOKEN) as server, httpx.AsyncClient(base_url=server.url) as client:
        for headers in ADMITTED:
            for reply in (await everything(server, client, headers))[2:]:
                assert reply.status_code == 200
                assert "authorization" not in reply.text.lower()
                assert TOKEN not in reply.text


async def test_large_body_without_a_token_reads_its_refusal(write_function, live):
    write_function("echo")
    async with live(token=TOKEN) as server:
        for ending in (b"", b"Connection: close\r\n"):
            told = await server.send(
                b"POST /api/function_invocations HTTP/1.1\r\nHost: a\r\n" + ending + b"Content-Length: 5000000\r\n\r\n",
                bytes(5_000_000),
                *([] if ending else [b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]),
            )
            assert told.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
            assert server.body_budget.held == 0


async def test_authorization_reaches_the_handler_where_no_token_is_set(write_function, live):
    write_function("echo", "def handler(context, event): return event.headers['Authorization']\n")
    async with live() as server, httpx.AsyncClient(base_url=server.url) as client:
        assert (await everything(server, client, {"Authorization": "Bearer own"}))[2].text == "Bearer own"
