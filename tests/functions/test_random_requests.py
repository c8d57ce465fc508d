"""Two thousand requests that nobody thought of, under the same rule: a list or a sentence, and the worker lives on."""

import base64
import json

import pytest

pytest.importorskip("psutil")
pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functions.hostile_requests import PLAIN
from tests.functions.image_files import encode, picture
from tests.functions.worker import answer_of, request

pytestmark = pytest.mark.slow

CONTENT_TYPES = st.sampled_from(["application/json", "application/json; charset=utf-8", "text/plain", "", "image/png"])
EXIF = b"Exif\0\0MM\0*\0\0\0\x08" + bytes.fromhex("0001 0112 0003 00000001 00060000 00000000")  # turned to the right
ENCODINGS = st.sampled_from(["utf-8", "utf-16", "utf-32"])
IMAGES = [
    encode(picture(40, 24), "PNG"),
    encode(picture(40, 24), "JPEG"),
    encode(picture(40, 24), "JPEG", progressive=True, exif=EXIF),
    encode(picture(24, 16, "P"), "GIF"),
    encode(picture(24, 16), "WEBP"),
    encode(picture(24, 16), "TIFF", compression="tiff_lzw"),
    encode(picture(24, 16), "TIFF"),
    encode(picture(8, 8), "BMP"),
    encode(picture(24, 16), "JPEG2000"),
]
BASE64 = base64.b64encode(IMAGES[0]).decode("ascii")
# Lone surrogates, which JSON can write, and control characters are among them.
TEXTS = st.text(st.characters(), max_size=30)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 0, 1, 0.5])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.just(BASE64),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
LIKE_A_REQUEST = st.fixed_dictionaries({"image": VALUES}, optional={"threshold": VALUES, "roi": VALUES})
BODIES = st.dictionaries(TEXTS, VALUES, max_size=3) | LIKE_A_REQUEST | VALUES


def rule(examples):
    """Options of one test: so many examples, with nothing kept between runs."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples, deadline=None, database=None, suppress_health_check=checks)


@pytest.fixture(scope="module")
def plain_answer(worker):
    return answer_of(worker.ask(PLAIN))


@pytest.fixture
def ask(worker, plain_answer):
    """Ask, hold the reply against the rule, and see that the plain request is answered as before."""

    def ask(body, content_type="application/json"):
        status, answer = answer_of(worker.ask(body, {"content_type": content_type}))
        assert answer_of(worker.ask(PLAIN)) == plain_answer
        return status, answer

    return ask


@st.composite
def mutated(draw, originals):
    """A file with some bytes inverted, replaced, taken out, put in or doubled, or cut short."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 6))):
        # Half of all hits in the first hundred bytes: there the headers are.
        at = draw(st.integers(0, min(len(data), 100)) | st.integers(0, len(data)))
        length = draw(st.integers(1, 8))
        change = draw(st.sampled_from(["flip", "replace", "extreme", "remove", "insert", "double", "cut"]))
        part = bytes(data[at : at + length])
        new = {
            "flip": lambda part=part: bytes(byte ^ 1 << draw(st.integers(0, 7)) for byte in part),
            "replace": lambda part=part: draw(st.binary(min_size=len(part), max_size=len(part))),
            "extreme": lambda part=part: draw(st.sampled_from([b"\0", b"\xff", b"\x7f"])) * len(part),
            "remove": lambda: b"",
            "insert": lambda part=part, length=length: draw(st.binary(max_size=length)) + part,
            "double": lambda part=part: part * 20,
            "cut": lambda: None,
        }[change]()
        if new is None:
            del data[at:]
        else:
            data[at : at + length] = new
    return bytes(data)


@rule(300)
@given(body=st.binary(max_size=200) | mutated([PLAIN]), content_type=CONTENT_TYPES)
def test_any_bytes_as_body(body, content_type, ask):
    ask(body, content_type)


@rule(500)
@given(body=BODIES, ascii_only=st.booleans(), encoding=ENCODINGS, content_type=CONTENT_TYPES)
def test_any_json_as_body(body, ascii_only, encoding, content_type, ask):
    ask(json.dumps(body, ensure_ascii=ascii_only).encode(encoding, "surrogatepass"), content_type)


@rule(200)
@given(image=st.binary(max_size=200), threshold=st.none() | NUMBERS)
def test_any_bytes_as_image(image, threshold, ask):
    status, _ = ask(request(image, threshold=threshold))
    assert status == 400


@rule(1000)
@given(image=mutated(IMAGES))
def test_real_images_with_wrong_bytes(image, ask):
    ask(request(image))
