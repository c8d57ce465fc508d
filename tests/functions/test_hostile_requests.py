"""No request ends a worker, shows a traceback, or changes what the next one is answered."""

import sys

import pytest
from PIL import Image

pytest.importorskip("psutil")

from tests.functions.hostile_requests import OTHER, PLAIN, REFUSED, SAME
from tests.functions.worker import answer_of

# What a worker may take above what it has when it is idle.
MEMORY_LIMIT_KB = 300_000


@pytest.fixture(scope="module")
def idle_memory_kb(worker):
    answer_of(worker.ask(PLAIN))
    return worker.memory // 1000


@pytest.fixture(scope="module")
def plain_answer(worker, idle_memory_kb):
    status, shapes = answer_of(worker.ask(PLAIN))
    assert status == 200
    assert {shape["label"] for shape in shapes} == {"red square"}
    return shapes


@pytest.fixture(autouse=True)
def _the_next_is_answered_as_before(worker, plain_answer):
    yield
    assert answer_of(worker.ask(PLAIN)) == (200, plain_answer)


@pytest.mark.parametrize("name", SAME)
def test_odd_requests_that_mean_the_same(name, worker, plain_answer):
    case = SAME[name]
    assert answer_of(worker.ask(case.body(), case.head)) == (200, plain_answer)


@pytest.mark.parametrize("name", OTHER)
def test_odd_images_are_answered(name, worker):
    case = OTHER[name]
    status, body = answer_of(worker.ask(case.body(), case.head))
    assert (status, type(body)) == (200, list), body


@pytest.mark.parametrize("name", REFUSED)
def test_bad_requests_get_a_sentence(name, worker):
    case = REFUSED[name]
    status, body = answer_of(worker.ask(case.body(), case.head))
    assert status == 400, body
    assert case.words in body["error"]


def test_an_avif_is_read_or_refused_by_a_pillow_without(worker):
    if "AVIF" not in Image.registered_extensions().values():
        pytest.skip("this Pillow has no AVIF")
    from tests.functions.image_files import avif_of_size, cut, encode, pages, picture
    from tests.functions.worker import request

    for data, status in (
        (encode(picture(), "AVIF"), 200),
        (pages("AVIF"), 200),
        (cut("AVIF", 0.5), 400),
        (cut("AVIF", 0.97), 400),
        (avif_of_size(20_000, 20_000), 400),
    ):
        assert answer_of(worker.ask(request(data)))[0] == status


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_none_of_them_took_more_memory_than_a_worker_is_given(worker, idle_memory_kb):
    """Runs last in this module, over what all requests above have taken at most."""
    assert worker.peak_memory_kb < idle_memory_kb + MEMORY_LIMIT_KB
    assert worker.memory // 1000 < idle_memory_kb + 100_000
