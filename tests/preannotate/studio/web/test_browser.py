"""The studio in a real browser: an annotator's whole job, by mouse, by keyboard, on a phone, and without JavaScript."""

import os
import re
import shutil
import time
from pathlib import Path

import pytest

pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")
pytest.importorskip("selenium", reason="selenium is not installed")
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from support import cvat_stand_in as stand_in
from support import studio as example

from preannotate.registry.publication import Deploy
from preannotate.studio.web.app import AccessPolicy

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not CHROMIUM or not DRIVER:
    pytest.skip("chromium or chromedriver is not installed", allow_module_level=True)

pytestmark = pytest.mark.slow

CHECKS = Path(__file__).with_name("checks.js").read_text()
PATIENCE = 30
# A page that was refused is itself such a message.
_EXPECTED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")


@pytest.fixture(scope="module")
def chromium():
    os.environ["SE_OFFLINE"] = "true"  # never fetch a driver
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


class Person:
    """Somebody in front of the browser."""

    def __init__(self, driver, url):
        self.driver, self.url = driver, url
        self.messages = []

    def go(self, path):
        self.driver.get(self.url + path)
        self.listen()

    def listen(self):
        """Remember what the browser complained of: violations of the policy and errors of scripts."""
        self.messages += [one["message"] for one in self.driver.get_log("browser") if one["level"] == "SEVERE"]

    def see(self, text, where="main"):
        WebDriverWait(self.driver, PATIENCE, poll_frequency=0.1, ignored_exceptions=(Exception,)).until(
            lambda driver: text in driver.find_element(By.CSS_SELECTOR, where).text, f"{text!r} was never seen"
        )

    def text(self, where="main"):
        return self.driver.find_element(By.CSS_SELECTOR, where).text

    def at(self, selector):
        """A page may still be on its way."""
        waited = WebDriverWait(self.driver, PATIENCE, poll_frequency=0.1)
        return waited.until(lambda driver: driver.find_element(By.CSS_SELECTOR, selector), f"{selector} is not there")

    def click(self, text):
        """A link or a button by what is written on it."""
        words = f"normalize-space(.)={text!r}"
        places = (
            f"//main//*[(self::a or self::button or self::label) and {words}]",
            f"//*[self::a or self::button][{words}]",
        )

        def found(driver):
            return next(filter(None, (driver.find_elements(By.XPATH, place) for place in places)), None)

        self._click(found, f"{text!r} is not there")

    def click_at(self, selector):
        self._click(lambda driver: driver.find_elements(By.CSS_SELECTOR, selector), f"{selector} is not there")

    def _click(self, find, otherwise):
        def click(driver):
            """A page may still be on its way, and what changes by itself may be another one since it was found."""
            found = find(driver)
            if found:
                # What lies under the bar at the bottom is scrolled to the middle first, as a person would do.
                driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found[0])
                found[0].click()
            return found

        gone = (StaleElementReferenceException,)
        WebDriverWait(self.driver, PATIENCE, poll_frequency=0.1, ignored_exceptions=gone).until(click, otherwise)
        self.listen()

    def type(self, name, text):
        field = self.at(f"#{name}")
        field.clear()
        field.send_keys(text)

    def press(self, *keys):
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()
        self.listen()

    def focused(self):
        return self.driver.switch_to.active_element

    def tab_to(self, wanted, most=80):
        """Press Tab until `wanted` says that what has the focus is right."""
        for _ in range(most):
            self.press(Keys.TAB)
            if wanted(self.focused()):
                return self.focused()
        raise AssertionError("Tab does not get there")


@pytest.fixture
def cvat():
    with example.cvat() as server:
        yield server


@pytest.fixture
def studio(tmp_path, monkeypatch):
    from preannotate.jobs import supervisor
    from preannotate.studio import secrets

    monkeypatch.setattr(secrets, "find_keyring", lambda: None)
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 0.05)
    monkeypatch.setenv("FAKE_RUN_SECONDS", "2")
    with example.studio(tmp_path / "workspace") as opened:
        yield opened


@pytest.fixture
def person(chromium, studio):
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    width(chromium, 1280)
    chromium.get("about:blank")
    chromium.get_log("browser")
    someone = Person(chromium, studio[1])
    yield someone
    someone.listen()
    assert [one for one in someone.messages if not _EXPECTED.search(one)] == []


def width(driver, pixels):
    metrics = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": pixels < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def with_model(studio, cvat, versions=1):
    """A server, and a model with a published version and perhaps more."""
    opened, _ = studio
    server = opened.servers.add("workshop", cvat.url, token=stand_in.TOKEN)
    os.environ["FAKE_RUN_SECONDS"] = "0.2"
    for number in range(versions):
        run = example.add_training(opened, server, deploy=Deploy.NONE if number else Deploy.SERVE)
        assert example.finished(opened, run).state == "done"
    os.environ["FAKE_RUN_SECONDS"] = "2"
    return server


def test_from_an_empty_studio_to_a_model_in_cvat(person, studio, cvat):
    person.go("/")
    person.see("Let a model draw the boxes")
    person.click("Connect to your CVAT")
    person.see("Connect to your CVAT")
    person.type("url", cvat.url)
    person.type("token", "a-wrong-token")
    person.click("Log in and continue")
    person.see("Server not added")
    assert person.focused().get_attribute("id") == "errors"
    assert person.at("#url").get_attribute("value") == cvat.url
    assert person.at("#token").get_attribute("value") == ""

    person.type("token", stand_in.TOKEN)
    person.click("Log in and save")
    person.see("Choose training images")
    person.see("gear")  # the boxes were counted while the list was there
    person.type("search", "first")
    person.press(Keys.ENTER)
    person.see("Workbench, first camera")
    assert "second" not in person.text()
    person.click_at("label[for=task-12]")
    person.click("Continue")
    person.see("Choose a model")
    person.see("Recommended")
    person.click_at("label[for=model-ssd-mobilenet-v2]")
    person.click("Continue")
    person.see("Ready to start")
    assert person.at("#name").get_attribute("value") == "workshop"
    person.type("name", "Workshop!")
    person.click_at("#arguments-fold summary")
    person.type("arguments", "epochs=many")
    person.click("Start training")
    person.see("Training not started")
    person.see("expected 1 to 52 lower-case letters")
    person.see("epochs=many; expected")
    assert person.at("#name").get_attribute("value") == "Workshop!"
    person.type("name", "workbench")
    person.type("arguments", "batch_size=4")
    person.click("Start training")

    person.see("Run added to the queue.")
    person.driver.execute_script("window.untouched = true")
    person.see("Epoch")
    person.see("mAP50")
    person.see("Version 1 is ready.")
    assert person.driver.execute_script("return window.untouched"), "the page was loaded again"
    assert studio[0].queue.get(1).request.arguments == "batch_size=4"

    person.click("Open report")
    frame = person.at("iframe")
    person.driver.switch_to.frame(frame)
    assert "0.15 of the time" in person.text("body")
    person.driver.switch_to.default_content()
    person.go("/models/workbench")
    person.see("Published: version 1")


def test_publishing_rolling_back_and_taking_away(person, studio, cvat):
    with_model(studio, cvat, versions=2)
    person.go("/models/workbench")
    person.see("Published: version 1")
    person.click("Publish version 2")
    person.see("Published. CVAT lists this version within a few seconds.")
    person.see("Published: version 2")
    person.click("Roll back to version 1")
    person.see("Published: version 1")
    person.click("Unpublish")
    person.see("Unpublish workbench?")
    person.click("Unpublish")
    person.see("Not published")
    assert not (studio[0].workspace.functions / "workbench").exists()


def test_annotating_the_rest_and_what_to_annotate_next(person, studio, cvat):
    with_model(studio, cvat)
    person.go("/models/workbench")
    person.click("Annotate remaining frames")
    person.click("Task 13: Workbench, second camera")
    person.click("Start")
    person.see("Done", "h1 ~ div, .heading")
    assert studio[0].queue.get(2).kind == "annotate"
    person.go("/models/workbench/rank")
    person.click("Task 13: Workbench, second camera")
    person.click("Start")
    person.see("near the threshold")
    person.see("ranking.csv")


def test_stopping_going_on_and_deleting(person, studio, cvat):
    server = with_model(studio, cvat)
    os.environ["FAKE_RUN_SECONDS"] = "30"
    run = example.add_training(studio[0], server)
    person.go(f"/runs/{run}")
    person.see("Epoch")
    os.environ["FAKE_RUN_SECONDS"] = "1"
    person.click("Stop")
    person.see("Resume")
    person.see("Stopped", ".heading")
    person.click("Resume")
    person.see("Version 2 is ready.")
    person.click("Delete")
    person.see("Delete run 2 of workbench?")
    person.click("Delete run")
    person.see("Run deleted.")
    assert [one.id for one in studio[0].queue.list()] == [1]


def test_all_of_it_without_javascript(person, studio, cvat):
    person.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    person.go("/new")
    person.type("url", cvat.url)
    person.type("token", stand_in.TOKEN)
    person.click("Log in and continue")
    person.click("Task 12: Workbench, first camera")
    person.click("Continue")
    person.see("85 boxes on 22 frames")
    person.click("Continue")
    person.click("Start training")
    person.see("Run added to the queue.")
    example.finished(studio[0], 1)
    person.go("/runs/1")
    person.see("Version 1 is ready.")
    person.click("Open report")
    person.click("Version 1")
    person.see("Detections")
    person.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_all_of_it_with_the_keyboard_alone(person, studio, cvat):
    studio[0].servers.add("workshop", cvat.url, token=stand_in.TOKEN)
    person.go("/")
    person.press(Keys.TAB)
    assert person.focused().text == "Skip to content"
    assert outline(person) != "none"
    person.press(Keys.ENTER)
    person.tab_to(lambda one: "Train your first model" in one.text)
    person.press(Keys.ENTER)
    person.see("Choose training images")
    person.tab_to(lambda one: one.get_attribute("id") == "task-12")
    person.press(Keys.SPACE)
    person.tab_to(lambda one: one.text == "Continue")
    assert outline(person) != "none"
    person.press(Keys.ENTER)
    person.see("Choose a model")
    person.tab_to(lambda one: one.get_attribute("name") == "model")
    person.press(Keys.ARROW_DOWN)
    chosen = person.focused().get_attribute("value")
    person.tab_to(lambda one: one.text == "Continue")
    person.press(Keys.ENTER)
    person.see("Ready to start")
    person.tab_to(lambda one: one.tag_name == "summary" and "Training arguments" in one.text)
    person.press(Keys.ENTER)
    person.tab_to(lambda one: one.get_attribute("id") == "arguments")
    person.press("seed=7")
    person.tab_to(lambda one: one.text == "Start training")
    person.press(Keys.ENTER)
    person.see("Run added to the queue.")

    order = studio[0].queue.get(1).request
    assert (order.tasks, order.model, order.arguments) == ((12,), chosen, "seed=7")


def outline(person):
    script = "const s = getComputedStyle(arguments[0]); return s.outlineStyle"
    return person.driver.execute_script(script, person.focused())


PAGES = (
    "/", "/new?choose=1", "/servers/add", "/servers/1", "/servers/1/remove", "/new/tasks?server=1&task=12",
    "/new/model?server=1&task=12", "/new/model?server=1&task=14", "/new/start?server=1&task=12&model=ssd-mobilenet-v2",
    "/runs", "/runs/1", "/runs/2", "/runs/1/delete", "/models", "/models/workbench", "/models/workbench/unpublish",
    "/models/workbench/versions/1", "/models/workbench/versions/1/report", "/models/workbench/annotate",
    "/models/workbench/review", "/models/workbench/rank", "/settings", "/nothing-here",
)  # fmt: skip


def test_every_page_is_sound_on_a_phone_and_on_a_desk(person, studio, cvat, monkeypatch):
    """Labels, names, headings and landmarks; nothing wider than the screen."""
    server = with_model(studio, cvat)
    monkeypatch.setenv("FAKE_RUN_FAILS", "task 14: " + "unbrokenwords" * 20)
    example.finished(studio[0], example.add_training(studio[0], server, tasks=(14,), name="drawer"))
    wrong = []
    for path in PAGES:
        for pixels in (320, 1280):
            width(person.driver, pixels)
            person.go(path)
            found = person.driver.execute_script(CHECKS, pixels)
            wrong += [f"{path} at {pixels}: {one}" for one in found]

    assert wrong == []


def test_the_checks_find_what_is_wrong(person):
    """A check that cannot fail would be none."""
    person.go("/settings")
    person.driver.execute_script(
        "document.querySelector('label').remove(); document.querySelector('h1').remove();"
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=data:,><h4>x</h4><a href=/></a>"
        "<p id=main></p><input aria-describedby=nowhere>');"
        "document.body.insertAdjacentHTML('beforeend', '<svg></svg><pre>' + 'wide'.repeat(999) + '</pre>')"
    )
    found = " ".join(person.driver.execute_script(CHECKS, 1280))

    for part in ("without a label", "h1", "without alt", "skips", "without a name", "twice", "nowhere", "wide"):
        assert part in found


def test_a_report_runs_no_script_and_cannot_reach_the_studio(person, studio, cvat, monkeypatch, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(
        "<!doctype html><html lang=en><title>x</title><style>h1 {color: rgb(1, 2, 3)}</style><h1>Report</h1>"
        "<img src=/static/mark.svg><script>document.querySelector('h1').textContent = 'scripted'</script>"
    )
    monkeypatch.setenv("FAKE_RUN_REPORT", str(page))
    with_model(studio, cvat)
    person.driver.get(person.url + "/models/workbench/versions/1/report")
    person.driver.switch_to.frame(person.at("iframe"))
    assert person.text("h1") == "Report"
    assert person.at("h1").value_of_css_property("color") == "rgba(1, 2, 3, 1)"
    person.driver.switch_to.default_content()
    person.driver.get_log("browser")  # it complained, as it has to

    person.driver.get(person.url + "/models/workbench/versions/1/report.html")
    assert person.text("h1") == "Report"
    complaints = " ".join(one["message"] for one in person.driver.get_log("browser"))
    assert "mark.svg" in complaints


def test_a_list_that_is_searched_keeps_what_is_ticked(person, studio, cvat):
    studio[0].servers.add("workshop", cvat.url, token=stand_in.TOKEN)
    person.go("/new/tasks?server=1")
    person.click("Task 12: Workbench, first camera")
    person.type("search", "second")
    person.press(Keys.ENTER)
    person.see("1 more task selected on other pages: 12")
    person.click("Task 13: Workbench, second camera")
    person.click("Continue")
    person.see("2 tasks: 12, 13")


def test_dark_and_light_follow_the_system(person):
    person.go("/")
    colours = []
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        person.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        colours.append(person.at("body").value_of_css_property("background-color"))
    person.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    assert colours[0] != colours[1]


def test_a_base_model_can_be_an_earlier_version(person, studio, cvat):
    with_model(studio, cvat)
    person.go("/new/model?server=1&task=12")
    person.click("An earlier version")
    Select(person.at("#base_version")).select_by_value("workbench/1")
    person.click("Continue")
    person.see("continues from workbench/1")
    person.click("Start training")
    person.see("Run added to the queue.")

    order = studio[0].queue.get(2).request
    assert order.base_model == str(studio[0].workspace.path / "models" / "workbench" / "versions" / "1" / "run")
    assert order.model == "ssd-mobilenet-v2"


def test_a_run_and_its_page_outlive_a_restart_of_the_studio(chromium, cvat, tmp_path, monkeypatch):
    from preannotate.jobs import supervisor
    from preannotate.studio import secrets

    monkeypatch.setattr(secrets, "find_keyring", lambda: None)
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 0.05)
    monkeypatch.setenv("FAKE_RUN_SECONDS", "5")
    with example.studio(tmp_path / "workspace") as (first, url):
        server = first.servers.add("workshop", cvat.url, token=stand_in.TOKEN)
        example.add_training(first, server)
        person = Person(chromium, url)
        width(chromium, 1280)
        person.go("/runs/1")
        person.see("Epoch")
        chromium.execute_script("window.untouched = true")
    person.see("Connection to the studio lost.")
    with example.studio(tmp_path / "workspace", port=int(url.rpartition(":")[2])) as (second, _):
        person.see("Version 1 is ready.")
        assert second.queue.get(1).state == "done"
        assert chromium.execute_script("return window.untouched")
        assert not chromium.find_element(By.CSS_SELECTOR, ".when-offline").is_displayed()


def test_what_is_open_stays_open_while_the_page_changes(person, studio, cvat):
    server = with_model(studio, cvat)
    os.environ["FAKE_RUN_SECONDS"] = "20"
    example.add_training(studio[0], server)
    person.go("/runs/2")
    person.see("Show as table")
    person.click_at("#numbers summary")
    before = len(person.driver.find_elements(By.CSS_SELECTOR, "#numbers tbody tr"))
    until = time.monotonic() + PATIENCE
    while len(person.driver.find_elements(By.CSS_SELECTOR, "#numbers tbody tr")) <= before:
        assert time.monotonic() < until, "nothing new was shown"
        if person.focused().tag_name == "summary":
            person.driver.execute_script("document.activeElement.blur()")
        time.sleep(0.2)

    assert person.at("#numbers").get_attribute("open") is not None
    studio[0].queue.stop(2)
    person.see("Resume")


def test_the_address_with_the_token_logs_in_and_leaves_no_trace(chromium, tmp_path):
    token = "a-long-token-of-the-studio"
    access = AccessPolicy(names=("127.0.0.1",), numbers=False, token=token, key=b"t" * 32)
    with example.studio(tmp_path / "workspace", access=access) as (_, url):
        person = Person(chromium, url)
        person.go(f"/login?next=/settings#token={token}")
        person.see("Notifications")
        assert chromium.current_url == f"{url}/settings"
        person.go(f"/login#token={token}")  # logged in already
        person.see("New model", "header")
        assert token not in chromium.current_url


def test_an_address_with_a_wrong_token_asks_for_another_once(chromium, tmp_path):
    # Cookies know no ports: those of other studios of these tests must not log in here.
    access = AccessPolicy(names=("127.0.0.1",), numbers=False, token="a-long-token-of-the-studio", key=b"w" * 32)
    with example.studio(tmp_path / "workspace", access=access) as (_, url):
        person = Person(chromium, url)
        person.go("/login#token=another-token-of-the-studio")
        person.see("Wrong token;")
        assert person.at("#token").get_attribute("value") == ""
