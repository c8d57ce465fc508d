"""Who may ask the studio for what."""

import re

import pytest

from preannotate.studio.web.access import authentication, form_body
from preannotate.studio.web.access.authentication import Authenticator, own_path
from preannotate.studio.web.access.headers import CONTENT_SECURITY_POLICY, REPORT_POLICY, host_name
from preannotate.studio.web.access.sessions import MAX_AGE_SECONDS, Sessions
from preannotate.studio.web.app import PAGES, AccessPolicy, make_app

TOKEN = "a-long-token-of-the-studio"
GUARDED = AccessPolicy(names=("studio.example.org",), numbers=True, token=TOKEN, key=b"k" * 32, files_anywhere=False)


@pytest.fixture
def stranger(example, browser, monkeypatch):
    """At another machine, and not logged in; however slow the tests are, no wait is over."""
    monkeypatch.setattr(Authenticator.__init__, "__defaults__", (lambda: 0.0,))
    return type(browser)(make_app(example.services, GUARDED), "http://studio.example.org")


def enter(stranger, token=TOKEN, **fields):
    page = stranger.get("/login")
    form_token = re.search(r'name="form_token" value="(\w+)"', page.text)[1]
    return stranger.ask("POST", "/login", data={"form_token": form_token, "token": token} | fields)


# Hosts


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost:8090", "LOCALHOST", "[::1]:8090", "localhost."])
def test_names_of_loopback_are_answered(browser, host):
    assert browser.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8090", "10.0.0.7", "", "localhost:x", "[::1"],
)
def test_other_names_are_refused_for_they_may_be_rebound(browser, host):
    answer = browser.get("/", headers={"host": host})

    assert answer.status_code == 421
    assert "form_token" not in answer.text
    assert "is not a name of this studio; expected one of: 127.0.0.1, ::1, localhost." in answer.text


def test_a_name_is_shown_escaped(browser):
    assert "<script>" not in browser.get("/", headers={"host": "<script>alert(1)</script>"}).text


def test_beyond_loopback_addresses_in_numbers_are_answered(stranger):
    assert stranger.get("/login", headers={"host": "192.168.1.7:8090"}).status_code == 200
    assert stranger.get("/login", headers={"host": "[fe80::1]:8090"}).status_code == 200
    assert stranger.get("/login", headers={"host": "evil.example"}).status_code == 421


def test_two_host_headers_are_refused(browser):
    assert browser.get("/", headers=[("host", "localhost"), ("host", "evil.example")]).status_code == 421


@pytest.mark.parametrize(
    ("header", "name"),
    [("A.b:80", "a.b"), ("[::1]", "::1"), ("[::1]:9", "::1"), ("[::1]x", ""), ("::1]", ""), ("a:b", "")],
)
def test_the_name_in_a_host_header(header, name):
    assert host_name(header) == name


# Forms from elsewhere

POSTS = [path for path, (_, post, _) in PAGES.items() if post is not None and path != "/login"]


def filled(path):
    path = path.replace("{name}", "boats").replace("{kind}", "annotate")
    return re.sub(r"\{\w+:number\}", "1", path)


def test_no_form_is_taken_without_the_token_of_its_session(full, browser):
    browser.get("/")
    answers = [browser.ask("POST", filled(path), data={"version": "2"}) for path in POSTS]

    assert {answer.status_code for answer in answers} == {403}
    assert all("This form was not sent from a page of this studio" in answer.text for answer in answers)
    assert full.services.models.get("boats").published == 1
    assert full.services.queue.get(1).state == "running"
    assert full.services.servers.get(1)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
    ids=str,
)
def test_no_form_is_taken_from_another_site_even_with_the_token(full, browser, headers):
    token = browser.form_token()
    answers = [browser.ask("POST", filled(path), data={"form_token": token}, headers=headers) for path in POSTS]

    assert {answer.status_code for answer in answers} == {403}
    assert full.services.models.get("boats").published == 1


def test_the_token_of_another_session_is_none(full, browser):
    token = browser.form_token()
    other = type(browser)(browser.app)
    other.get("/")

    assert other.ask("POST", "/models/boats/publish", data={"form_token": token, "version": "2"}).status_code == 403
    assert full.services.models.get("boats").published == 1


def test_a_form_of_ours_is_taken(full, browser):
    assert browser.send("/models/boats/publish", {"version": "2"}).status_code == 200
    assert full.services.models.get("boats").published == 2


def test_nothing_is_changed_by_looking(full, browser):
    for path in POSTS:
        browser.get(filled(path))

    assert full.services.models.get("boats").published == 1
    assert full.services.queue.get(1).state == "running"
    assert full.services.servers.get(1)


def test_the_cookie_is_for_this_studio_alone(browser):
    cookie = browser.get("/").headers["set-cookie"]

    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


def test_over_https_the_cookie_stays_there(example, browser):
    secure = type(browser)(browser.app, "https://localhost")

    assert secure.get("/").headers["set-cookie"].endswith("; Secure")
    proxied = type(browser)(browser.app)
    assert proxied.get("/", headers={"x-forwarded-proto": "https"}).headers["set-cookie"].endswith("; Secure")


# Sessions


def test_a_session_can_not_be_made_up():
    sessions = Sessions(b"a key")
    cookie = sessions.cookie(sessions.begin(admitted=False))
    number, made, _, signature = cookie.split(".")

    assert sessions.read(cookie) is not None
    assert sessions.read(f"{number}.{made}.1.{signature}") is None
    assert Sessions(b"another").read(cookie) is None
    assert sessions.read("") is None


def test_a_session_ends_with_its_time():
    now = [1000.0]
    sessions = Sessions(b"a key", lambda: now[0])
    cookie = sessions.cookie(sessions.begin(admitted=True))
    now[0] += MAX_AGE_SECONDS
    assert sessions.read(cookie) is not None
    now[0] += 1

    assert sessions.read(cookie) is None


# Login


def test_without_the_token_no_page_is_shown(full, stranger):
    for path in (path for path, (get, _, _) in PAGES.items() if get is not None and path != "/login"):
        answer = stranger.get(filled(path))
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/login")
        assert answer.text == ""


def test_without_the_token_nothing_is_changed(full, stranger):
    assert {stranger.ask("POST", filled(path), data={}).status_code for path in POSTS} == {401}
    assert full.services.models.get("boats").published == 1


def test_with_the_token_all_is_open(example, stranger):
    answer = enter(stranger, next="/models?x=1")

    assert (answer.status_code, answer.headers["location"]) == (303, "/models?x=1")
    assert stranger.get("/models").status_code == 200
    assert "Log out" in stranger.page.text


def test_a_session_of_before_the_login_is_worth_nothing_after_it(example, stranger):
    stranger.get("/login")
    before = dict(stranger.cookies)
    enter(stranger)

    assert dict(stranger.cookies) != before
    stranger.cookies.clear()
    stranger.cookies.update(before)
    assert stranger.get("/").status_code == 303


def test_after_logging_out_the_old_cookie_is_worth_nothing(example, stranger):
    enter(stranger)
    cookies = dict(stranger.cookies)
    assert "You are logged out." in stranger.send("/logout").text
    assert stranger.get("/models").status_code == 303
    stranger.cookies.clear()
    stranger.cookies.update(cookies)

    assert stranger.get("/models").status_code == 303


def test_a_wrong_token_is_not_shown_again(example, stranger):
    answer = enter(stranger, "not-the-token-at-all")

    assert answer.status_code == 401
    assert "Wrong token; expected the one that the studio was started with." in answer.text
    assert "not-the-token-at-all" not in answer.text


def test_guessing_is_slowed_down(example, stranger):
    for _ in range(authentication.FREE_FAILURES + 6):  # those after the fifth are not looked at
        answer = enter(stranger, "wrong")
    answer = enter(stranger)

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert "Too many wrong tokens. Try again in 1 s." in answer.text


def test_a_browser_that_has_logged_in_before_does_not_wait_for_a_guesser_at_its_address(example, stranger):
    owner = type(stranger)(stranger.app, stranger.base)
    assert enter(owner).status_code == 303
    owner.send("/logout", follow=False)
    for _ in range(authentication.FREE_FAILURES):
        enter(stranger, "wrong")

    assert enter(stranger).status_code == 429
    assert enter(owner).status_code == 303


def test_the_wait_doubles_up_to_a_minute_and_ends():
    now = [0.0]
    door = Authenticator(TOKEN, lambda: now[0])
    waits = []
    for _ in range(authentication.FREE_FAILURES + 8):
        door.admits("10.0.0.1", "wrong")
        waits.append(door.wait_seconds("10.0.0.1"))
        now[0] += waits[-1]
        assert door.wait_seconds("10.0.0.1") == 0
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert door.admits("10.0.0.1", TOKEN)
    assert not door.admits("10.0.0.1", "wrong")
    assert door.wait_seconds("10.0.0.1") == 0


def test_no_guesser_keeps_another_address_out():
    door = Authenticator(TOKEN, lambda: 0.0)
    for number in range(5000):
        for _ in range(authentication.FREE_FAILURES):
            door.admits(f"10.0.{number // 250}.{number % 250}", "wrong")

    assert door.wait_seconds("10.9.9.9") == 0
    assert door.admits("10.9.9.9", TOKEN)
    assert len(door._failures) <= authentication._MOST_ADDRESSES


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),  # whoever has a network has all of its addresses
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("x" * 1000, "x" * 2000, True),
    ],
)
def test_which_addresses_wait_together(first, second, same):
    door = Authenticator(TOKEN, lambda: 0.0)
    for _ in range(authentication.FREE_FAILURES):
        door.admits(first, "wrong")

    assert (door.wait_seconds(second) > 0) == same


def test_a_cookie_that_the_studio_did_not_write_is_no_known_browser():
    door = Authenticator(TOKEN, lambda: 0.0)
    made, other = door.known_cookie(), Authenticator(f"{TOKEN}x").known_cookie()
    for _ in range(authentication.FREE_FAILURES):
        door.admits("10.0.0.1", "wrong")

    assert door.wait_seconds("10.0.0.1", made) == 0
    assert [door.wait_seconds("10.0.0.1", odd) for odd in (other, made[:-1], f"{made}0", "\xff", "")] == [1] * 5
    for _ in range(authentication.FREE_FAILURES):
        door.admits("10.0.0.1", "wrong", made)
    assert door.wait_seconds("10.0.0.1", made) == 1  # it waits for itself


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/a\nb",
        "\t//evil",
        "",
        "/login?next=/x",
        "/ü",
    ],
)
def test_a_login_leads_nowhere_but_here(example, stranger, target):
    assert own_path(target) == "/"
    assert enter(stranger, next=target).headers["location"] == "/"


def test_a_piece_of_a_page_does_not_get_the_login_page(example, stranger):
    assert stranger.get("/", headers={"x-requested-with": "live"}).status_code == 401


# What every answer says


@pytest.mark.parametrize("path", ["/", "/settings", "/runs", "/nope", "/static/studio.css", "/healthz"])
def test_every_answer_has_the_headers(browser, path):
    headers = browser.get(path).headers

    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_pages_are_not_kept_by_caches(full, browser):
    for path in ("/", "/models/boats", "/servers/1/tasks/12/preview", "/models/boats/versions/1/report.html"):
        assert browser.get(path).headers["cache-control"] == "no-store"


def test_the_policy_allows_nothing_from_elsewhere_and_nothing_inline():
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY


def test_a_report_gets_an_origin_of_its_own(full, browser):
    policy = browser.get("/models/boats/versions/1/report.html").headers["content-security-policy"]

    assert policy == REPORT_POLICY
    assert "; sandbox" in policy
    assert "script-src" not in policy


# Sizes and shapes


def test_a_form_that_is_too_large_is_refused(browser):
    browser.get("/")
    answer = browser.send("/settings/studio", {"link_base": "x" * form_body.MAX_BYTES})

    assert answer.status_code == 413
    assert "The form has more than 65536 bytes; expected at most that many." in answer.text


def test_a_body_that_does_not_say_its_length_is_cut_off(browser):
    async def endless():
        for _ in range(20):
            yield b"a" * 10_000

    headers = {"content-type": form_body.KIND}
    assert browser.ask("POST", "/settings/studio", content=endless(), headers=headers).status_code == 413


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json", "text/plain", ""])
def test_other_kinds_of_forms_are_refused(browser, kind):
    assert browser.ask("POST", "/settings/studio", content=b"{}", headers={"content-type": kind}).status_code == 415


@pytest.mark.parametrize("body", [b"a=%ff", b"a=\xff", b"&".join(b"a=1" for _ in range(600))])
def test_what_is_no_form_is_refused(browser, body):
    headers = {"content-type": form_body.KIND}

    assert browser.ask("POST", "/settings/studio", content=body, headers=headers).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/nope.css",
        "/static/",
        "/static/..%5capp.py",
    ],
)
def test_only_files_of_static_are_served(browser, path):
    answer = browser.get(path)

    assert answer.status_code == 404
    assert "import" not in answer.text


# The token's own file


def test_the_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    monkeypatch.setenv(authentication.VARIABLE, "another-token-of-the-studio")

    assert authentication.TOKEN.find(file) == TOKEN
    assert authentication.TOKEN.find(None) == ""  # it was taken out, so that no run inherits it


def test_a_token_that_is_none_is_not_shown(tmp_path):
    file = tmp_path / "token"
    file.write_text("short secret")
    with pytest.raises(authentication.StudioError) as error:
        authentication.TOKEN.find(file)

    assert str(error.value) == (
        f"--token-file: {file}: 12 characters; expected 16 to 512 of A-Z, a-z, 0-9, '.', '_', '~' and '-'. "
        f"Make one with `python3 -c 'import secrets; print(secrets.token_urlsafe())'`."
    )
