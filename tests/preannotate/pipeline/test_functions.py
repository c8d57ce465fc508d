"""CVAT's pages of functions through the real cvat-sdk, on servers of both ages, with the real `serve` behind them."""

import pytest
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask
from support.cvat_stand_in_functions import wait_until
from support.pipeline import red, write_function

from preannotate.cvat import functions as module
from preannotate.cvat import limited_http
from preannotate.cvat.connection import connect
from preannotate.cvat.errors import CvatError
from preannotate.cvat.functions import FoundShape, Functions, RequestStatus, TaskBusyError, label_mapping
from preannotate.cvat.login import Login
from runtime.cvat import MAX_MASK_PIXELS
from runtime.masks import InstanceMask

LABELS = [{"id": 7, "name": "cat", "parent_id": None}, {"id": 8, "name": "dog", "parent_id": None}]
MAPPING = label_mapping(LABELS, ["cat"])


@pytest.fixture
def pets(cvat, served):
    """A task of four images, and the function `pets` behind CVAT."""
    folder, cvat.functions.dashboard = served
    write_function(folder, "pets")
    images = [(f"{i}.png", red((i, 8, i + 20, 40))) for i in range(4)]
    jobs = [FakeJob(40, 0, 1), FakeJob(41, 2, 3)]
    return cvat.add(FakeTask(12, images, [FakeLabel(7, "cat"), FakeLabel(8, "dog")], jobs))


@pytest.fixture
def functions(cvat):
    server = connect(Login(url=cvat.url))
    return Functions(server)


@pytest.fixture
def ready(functions, pets, workspace):
    """The same, once `serve` has seen the function and loaded it."""

    def answers():
        try:
            return functions.call("pets", 12, 0, MAPPING, {7: "cat"})
        except CvatError:
            return None

    wait_until(lambda: "pets" in functions.listed() and answers())
    return functions


@pytest.mark.slow
def test_what_cvat_lists_answers_and_does(cvat, ready, pets):
    """One test for all that needs the function loaded, which takes seconds."""
    found = ready.listed()["pets"]
    assert (found.kind, found.labels) == ("detector", {"cat": "rectangle", "dog": "rectangle"})
    assert ready.call("pets", 12, 2, MAPPING, {7: "cat"}) == [FoundShape("cat", (2, 8, 22, 40))]
    assert pets.jobs[1].shapes == []  # an online call saves nothing

    request = ready.start("pets", 12, 41, MAPPING)
    wait_until(lambda: not ready.request(request.id).active)

    ended = ready.request(request.id)
    assert (ended.status, ended.progress, ended.task, ended.job) == (RequestStatus.FINISHED, 100, 12, 41)
    assert [(one["frame"], one["label_id"], one["source"]) for one in pets.jobs[1].shapes] == [
        (2, 7, "auto"),
        (3, 7, "auto"),
    ]
    assert pets.jobs[0].shapes == []
    assert cvat.functions.bodies[-1] == {
        "function": "pets",
        "task": 12,
        "job": 41,
        "cleanup": False,
        "conv_mask_to_poly": False,
        "convMaskToPoly": False,
        "mapping": {"cat": {"name": "cat", "attributes": {}}},
    }
    with pytest.raises(CvatError) as caught:
        ready.start("pets", 12, 41, {"cow": {"name": "cat", "attributes": {}}})
    assert str(caught.value) == (
        f"{cvat.url}: 400 for automatic annotation of job 41, the function or CVAT rejected the request (Invalid "
        f'mapping. Unknown model label "cow"); expected a response. Check task and frame, then the function\'s log.'
    )


@pytest.mark.slow
def test_one_request_for_each_task_and_its_end_by_hand(cvat, ready, pets):
    cvat.functions.hold.clear()
    request = ready.start("pets", 12, 41, MAPPING)

    assert ready.active(12).id == request.id
    assert ready.active(13) is None
    with pytest.raises(TaskBusyError) as caught:
        ready.start("pets", 12, 40, MAPPING)
    assert str(caught.value) == (
        f"{cvat.url}: 409 for automatic annotation of job 40, task 12 has another automatic annotation; expected none. "
        f"Wait for it, or stop it on CVAT's Tasks page."
    )

    ready.cancel(request.id)
    cvat.functions.hold.set()

    assert ready.request(request.id) is None
    assert ready.active(12) is None
    assert pets.jobs[1].shapes == []


@pytest.mark.slow
def test_a_request_that_fails_says_why(cvat, ready, pets):
    pets.images[3] = ("3.png", b"no image")

    request = ready.start("pets", 12, 41, MAPPING)
    wait_until(lambda: not ready.request(request.id).active)

    ended = ready.request(request.id)
    assert ended.status == RequestStatus.FAILED
    assert ended.cause == "requests.exceptions.HTTPError: HTTP Error 400: Bad Request"


def test_whether_cvat_has_functions_at_all(cvat, functions):
    assert functions.switched_on()
    cvat.functions.switched_on = False
    assert not functions.switched_on()


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (
            403,
            "this user may not list models (no); expected a response. Ask an administrator of CVAT to add the user to "
            "the group `user`.",
        ),
        (
            500,
            "a function has metadata that CVAT cannot read, which empties the list for everybody (no); expected a "
            "response. Find the function with `preannotate doctor --nuclio http://HOST:8070`, and the cause with "
            "`docker logs --tail 100 cvat_server`.",
        ),
        (504, "nuclio does not answer CVAT in time (no); expected a response. Run `docker restart nuclio`; if it "
              "happens again, look into `docker logs --tail 50 nuclio`."),
    ],
)  # fmt: skip
def test_a_list_that_is_refused(cvat, functions, status, sentence):
    cvat.functions.status = status

    with pytest.raises(CvatError) as caught:
        functions.listed()

    assert str(caught.value) == f"{cvat.url}: {status} for the list of functions, {sentence}"


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (
            403,
            "this user may not call models on the task (no); expected a response. Use a user who may annotate the "
            "task.",
        ),
        (
            404,
            "CVAT or nuclio does not know the function or the task (no); expected a response. Check the name and the "
            "number of the task.",
        ),
        (
            500,
            "the function failed (no); expected a response. Find the cause with "
            "`docker logs --tail 100 nuclio-nuclio-pets` or `preannotate doctor functions/pets`.",
        ),
    ],
)
def test_a_call_that_is_refused(cvat, functions, status, sentence):
    cvat.functions.status = status

    with pytest.raises(CvatError) as caught:
        functions.call("pets", 12, 0, MAPPING, {7: "cat"})

    assert str(caught.value) == f"{cvat.url}: {status} for a call of pets on frame 0 of task 12, {sentence}"


def test_a_login_that_is_not_accepted_is_said_as_everywhere(newest):
    server = connect(Login(url=newest.url))
    newest.tokens.clear()

    with pytest.raises(CvatError, match="401 for the functions, the login is rejected"):
        Functions(server).listed()


def test_an_answer_of_an_unknown_form(newest):
    server = connect(Login(url=newest.url))
    newest.functions._answer = lambda *_: (200, [{"kind": "detector"}])

    with pytest.raises(CvatError, match=r"the list of functions: \[0\].id is missing; expected text"):
        Functions(server).listed()


def test_a_begin_whose_answer_is_lost_is_not_begun_twice(newest, functions_of_newest):
    """The second attempt meets the first one's request: whoever waits for the task goes on."""
    newest.functions._answer = _once(newest.functions._answer)
    newest.fail("POST /api/lambda/requests", "lost", times=1)

    with pytest.raises(TaskBusyError):
        functions_of_newest.start("pets", 12, 40, MAPPING)
    assert len(newest.asked("POST /api/lambda/requests")) == 2


@pytest.fixture
def functions_of_newest(newest):
    server = connect(Login(url=newest.url))
    return Functions(server)


def _once(answer):
    begun = []

    def page(method, path, body):
        if (method, path) != ("POST", "/api/lambda/requests"):
            return answer(method, path, body)
        begun.append(body)
        return (200, {}) if len(begun) == 1 else (409, "Only one running request is allowed for the same task #12")

    return page


def test_a_call_may_take_as_long_as_cvat_waits_for_a_function():
    assert module.CALL_TIMEOUT_SECONDS[1] > 120 > limited_http.TIMEOUT_SECONDS[1]


def test_labels_are_mapped_by_their_exact_names():
    labels = [
        {"id": 1, "name": " cat ", "parent_id": None},
        {"id": 2, "name": "paw", "parent_id": 1},
        {"id": 3, "name": "dog", "parent_id": None},
    ]

    assert label_mapping(labels, ["cat"]) == {"cat": {"name": " cat ", "attributes": {}}}


def test_the_organisation_goes_with_every_request(newest):
    server = connect(Login(url=newest.url, organization="acme"))
    functions = Functions(server)
    newest.functions._answer = lambda *_: (400, "no")
    newest.headers.clear()
    for ask in (
        functions.listed,
        lambda: functions.active(12),
        lambda: functions.call("pets", 12, 0, MAPPING, {}),
        lambda: functions.start("pets", 12, 40, MAPPING),
        lambda: functions.request("a/b c"),
        lambda: functions.cancel("a/b c"),
    ):
        with pytest.raises(CvatError):
            ask()

    assert {headers.get("X-Organization") for headers in newest.headers} == {"acme"}
    assert len(newest.headers) == 6
    assert newest.requests[-1] == "DELETE /api/lambda/requests/a%2Fb%20c"


MASK = InstanceMask.from_bitmap([[0, 1, 1], [1, 1, 1]], 10, 20)


@pytest.mark.parametrize(
    ("answer", "box", "mask"),
    [
        (
            {"type": "mask", "mask": [0, 1, 1, 1, 1, 1, 10, 20, 12, 21], "points": [10, 20, 13, 20, 13, 22]},
            MASK.box,
            MASK,
        ),
        ({"type": "mask", "points": [1.0, 5.0, 10.0, 20.0, 12.0, 21.0]}, MASK.box, MASK),
        ({"type": "polygon", "points": [11, 20, 13, 20, 13, 22, 10, 22, 10, 21, 11, 21]}, MASK.box, MASK),
        ({"points": [10, 20, 13, 22]}, MASK.box, None),
    ],
)
def test_masks_of_calls_are_read_as_servers_of_both_ages_give_them(answer, box, mask):
    assert module._shape("cat", answer) == FoundShape("cat", box, answer.get("type", "rectangle"), mask)


def test_the_largest_answer_of_a_function_may_be_read():
    assert module._CALL.max_bytes > 3 * MAX_MASK_PIXELS  # a digit, a comma and a space for each


@pytest.mark.parametrize(
    "answer",
    [
        {"mask": [0, 0, 10, 20, 11, 20]},
        {"mask": ["1", "1", "10", "20", "11", "20"]},
        {"mask": [1, 1, 1, 10, 20, 11, 20]},
        {"mask": [1, 1, 10, 20, 10**30, 20]},
        {"points": [1.0, 10**9, 10.0, 20.0, 12.0, 21.0]},
        {"points": [0, float("inf"), 10.0, 20.0, 12.0, 21.0]},
        {"points": [6.5, -0.5, 10.0, 20.0, 12.0, 21.0]},
        {"points": [6.0, 10.0, 20.0, 12.0, 21.0]},
        {"points": [20.0, 12.0, 21.0]},
    ],
)
def test_what_is_no_mask_is_an_answer_of_an_unknown_form(answer):
    with pytest.raises(ValueError):
        module._shape("cat", {"type": "mask", "points": [], **answer})
