"""A worker runs for months: what requests leave behind in memory has to be nothing."""

import pytest

pytest.importorskip("psutil")

from tests.functions.hostile_requests import OTHER, PLAIN, REFUSED, SAME
from tests.functions.image_files import encode, picture
from tests.functions.worker import Worker, answer_of, request

pytestmark = pytest.mark.slow

# Taken from the corpus; those that take 10 ms and more are left out.
BAD = ["the image itself", "100000 open brackets", "base64 with an emoji", "PNG of 20000x20000", "GIF without frames"]
BAD += ["threshold NaN", "JPEG, the first 60%", "PNG, the first 60%", "TIFF, the first 30%", "WEBP, the first 90%"]
ODD = ["CMYK JPEG", "palette with a transparent colour", "16 bits, PNG", "orientation 6", "first of several GIF frames"]


def test_memory_after_5000_requests_is_that_after_500(squares_built, tmp_path):
    cases = [REFUSED[name] for name in BAD] + [OTHER[name] for name in ODD] + [SAME["UTF-16"]]
    requests = [(case.body(), case.head) for case in cases]
    requests += [(PLAIN, {}), (request(encode(picture(640, 480), "JPEG")), {})] * 2
    worker = Worker(squares_built.directory, tmp_path / "log.txt", MODEL_THREADS="1")
    after = {}
    for number in range(1, 5001):
        answer_of(worker.ask(*requests[number % len(requests)]))
        if number in (500, 5000):
            after[number] = worker.memory
    worker.close()

    assert after[5000] < after[500] * 1.05
