"""Downloads that break off and go on; what is kept and compared is in tests/trainer/test_published_weights.py."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from preannotate.core import published_files
from preannotate.core.http import NoResponseError

CONTENT = bytes(range(256)) * 4


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, no_proxies):
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


class Site:
    """Serves `content`, whose name is `etag`; of the first answers only as many bytes as `sent` says."""

    def __init__(self):
        self.content, self.etag, self.sent, self.ranges, self.asked = CONTENT, '"1"', [], True, []

    @contextlib.contextmanager
    def running(self):
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append((self.headers["Range"], self.headers["If-Range"]))
                start = 0
                if self.headers["Range"] and self.headers["If-Range"] == site.etag and site.ranges:
                    start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                if start and start >= len(site.content):
                    self.send_error(416)
                    return
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(site.content) - 1}/{len(site.content)}")
                if site.etag:
                    self.send_header("ETag", site.etag)
                data = site.content[start:]
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: site.sent.pop(0)] if site.sent else data)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}/a"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture
def site():
    with Site().running() as found:
        yield found


def download(site, folder, **options):
    target = folder / "target"
    published_files.download("a", site.url, target, **({"max_bytes": 2000, "timeout": 20.0} | options))
    return target.read_bytes()


def test_a_download_goes_on_where_it_broke_off(site, folder):
    site.sent = [300, 200]
    for have in (300, 500):
        with pytest.raises(NoResponseError, match="the connection broke off"):
            download(site, folder)
        assert (folder / ".a.part").stat().st_size == have

    seen = []
    assert download(site, folder, progress=lambda done, total: seen.append((done, total))) == CONTENT
    assert site.asked == [(None, None), ("bytes=300-", '"1"'), ("bytes=500-", '"1"')]
    assert seen[-1] == (1024, 1024)
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") == ["target"]


def test_another_content_begins_from_the_start(site, folder):
    site.sent = [300]
    with pytest.raises(NoResponseError):
        download(site, folder)
    site.content, site.etag = b"new", '"2"'

    assert download(site, folder) == b"new"
    assert site.asked[-1] == ("bytes=300-", '"1"')


def test_a_part_that_is_longer_than_the_file_is_thrown_away(site, folder):
    site.sent = [300]
    with pytest.raises(NoResponseError):
        download(site, folder)
    site.content = CONTENT[:200]

    assert download(site, folder) == CONTENT[:200]
    assert [asked[0] for asked in site.asked] == [None, "bytes=300-", None]


def test_a_server_that_knows_no_parts_sends_all_of_it(site, folder):
    site.sent, site.ranges = [300], False
    with pytest.raises(NoResponseError):
        download(site, folder)

    assert download(site, folder) == CONTENT


@pytest.mark.parametrize("etag", ["", 'W/"1"'])
def test_without_a_name_of_the_content_no_part_is_left(site, folder, etag):
    site.sent, site.etag = [300], etag
    with pytest.raises(NoResponseError):
        download(site, folder)

    assert not (folder / ".a.part").exists()
    assert download(site, folder) == CONTENT
    assert site.asked == [(None, None)] * 2


def test_parts_count_for_the_limit(site, folder):
    site.sent = [300]
    with pytest.raises(NoResponseError):
        download(site, folder)

    with pytest.raises(NoResponseError, match="the response is too large"):
        download(site, folder, max_bytes=1000)


@pytest.mark.parametrize("state", ["{broken", "[]", '{"address": "http://elsewhere"}', '{"validator": 3}'])
def test_a_damaged_note_begins_from_the_start(site, folder, state):
    (folder / ".a.part").write_bytes(b"something")
    (folder / ".a.part.json").write_text(state)

    assert download(site, folder) == CONTENT
    assert site.asked == [(None, None)]
