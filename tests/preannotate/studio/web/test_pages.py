"""What each page shows, and the errors of its forms."""

import dataclasses
import re
from html import unescape

import pytest
from support.cvat_stand_in import PASSWORD, TOKEN
from support.studio import plain_task

from preannotate.jobs.task_request import TaskRequest
from preannotate.notifications.settings import NotifySettings, SmtpSettings, WebhookSettings
from preannotate.pipeline.run_request import RunRequest, write_run_request
from preannotate.studio.errors import StudioError
from preannotate.studio.machines import Machine

START = "/new/start?server=1&task=12&model=ssd-mobilenet-v2"
PLACE = {"server": "1", "task": "12", "model": "ssd-mobilenet-v2", "name": "boats", "machine": "cpu", "deploy": "serve"}


def words(answer):
    """The text of a page, without tags."""
    text = re.sub(r"<(script|style)[\s\S]*?</\1>|<[^>]+>", " ", answer.text)
    return re.sub(r"\s+", " ", unescape(text))


def refuse(*_, **__):
    raise StudioError("order: refused.")


# Home


def test_an_empty_studio_says_what_it_is_for(browser):
    said = words(browser.get("/"))

    assert "Let a model draw the boxes" in said
    assert "Connect to your CVAT" in said


def test_the_home_page_shows_current_runs_and_models(full, browser):
    said = words(browser.get("/"))

    assert "Activity" in said
    assert "Epoch 10 of 40, about 11 min left" in said
    assert "Published: version 1" in said


def test_the_page_of_an_active_run_refreshes_itself(full, browser):
    assert 'data-live="0.3"' in browser.get("/runs/1").text
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in browser.page.text
    assert 'http-equiv="refresh"' not in browser.get("/runs/1?paused=1").text
    full.change_run(1, "done")
    assert 'data-live="' not in browser.get("/runs/1").text


# Servers


def test_a_server_is_added_and_leads_on(example, browser):
    data = {"way": "token", "url": example.cvat.url, "token": TOKEN, "then": "new"}
    answer = browser.send("/servers/add", data, follow=False)

    assert answer.headers["location"] == "/new/tasks?server=1&done=server-added"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"way": "token", "token": TOKEN}, "CVAT address: empty; expected a URL such as https://cvat.example.org."),
        ({"way": "token", "url": "x"}, "Access token: empty; expected one from CVAT's page Profile, Security."),
        ({"way": "password", "url": "x", "password": "p"}, "User name: empty; expected your user name in CVAT."),
        ({"way": "password", "url": "x", "user": "ann"}, "Password: empty; expected your password in CVAT."),
        ({"way": "token", "url": "x", "password": "p"}, "User name: empty; expected your user name in CVAT."),
        ({"way": "profile"}, "Profile: none chosen; expected one from the list."),
        ({"way": "", "url": "x"}, "Login: none chosen; expected an access token, or user name and password."),
        ({"way": "token", "url": "x", "token": "wrong"}, "address of CVAT: 'x'; expected"),
    ],
)
def test_a_server_that_can_not_be_added_says_why(example, browser, data, sentence):
    answer = browser.send("/servers/add", data)

    assert answer.status_code == 422
    assert sentence in words(answer)
    assert not example.services.servers.list()


def test_a_refused_login_is_not_saved(example, browser):
    data = {"way": "token", "url": example.cvat.url, "token": "wrong"}
    answer = browser.send("/servers/add", data)

    assert answer.status_code == 422
    assert f"{example.cvat.url}: " in words(answer)
    assert not example.services.servers.list()


def test_what_was_typed_is_kept_but_for_secrets(example, browser):
    data = {
        "way": "password", "url": example.cvat.url, "user": "ann", "password": "hunter2-wrong",
        "token": "half-a-token", "name": "dock", "organization": "acme", "insecure": "on",
    }  # fmt: skip
    answer = browser.send("/servers/add", data)

    assert all(f'value="{data[name]}"' in answer.text for name in ("url", "user", "name", "organization"))
    assert re.search(r'id="insecure"[^>]* checked', answer.text)
    assert "hunter2-wrong" not in answer.text
    assert "half-a-token" not in answer.text


def test_a_password_keeps_its_spaces(example, browser, monkeypatch):
    added = []
    monkeypatch.setattr(example.services.servers, "add", lambda *_, **login: added.append(login["password"]))
    data = {"way": "password", "url": "x", "user": "ann", "password": f" {PASSWORD} "}
    browser.ask("POST", "/servers/add", data=data | {"form_token": browser.form_token()})

    assert added == [f" {PASSWORD} "]


def test_an_error_is_tied_to_its_field(example, browser):
    answer = browser.send("/servers/add", {"way": "token", "token": TOKEN})

    assert re.search(r'id="url"[^>]* aria-describedby="url-hint url-error" aria-invalid="true"', answer.text)
    assert 'id="url-error"' in answer.text
    assert '<a href="#url">' in answer.text
    assert re.search(r'<div class="[^"]*summary[^"]*" role="alert" tabindex="-1" data-summary', answer.text)


def test_a_profile_of_cvat_cli_can_be_taken(example, browser, monkeypatch):
    monkeypatch.setattr(example.services.servers, "profiles", lambda: {"work": "https://cvat.example.org"})
    added = []
    monkeypatch.setattr(example.services.servers, "add_profile", lambda *names: added.append(names))
    assert "work (https://cvat.example.org)" in words(browser.get("/servers/add"))
    data = {"way": "profile", "profile": "work", "form_token": browser.form_token()}
    browser.ask("POST", "/servers/add", data=data)

    assert added == [("work", "")]


def test_a_server_is_logged_in_again_and_removed(example, browser):
    example.with_server()
    example.cvat.tokens = set()
    browser.get("/new/tasks?server=1")
    assert "Log in again" in words(browser.get("/servers/1"))
    assert "is not accepted any more; expected a valid login." in words(browser.page)
    assert browser.send("/servers/1/login", {"way": "token", "token": "wrong"}).status_code == 422
    example.cvat.tokens = {"another-token"}
    assert "Login updated." in words(browser.send("/servers/1/login", {"way": "token", "token": "another-token"}))
    assert "is not accepted any more" not in words(browser.page)
    assert "Remove dock?" in words(browser.get("/servers/1/remove"))
    assert "Server and login removed." in words(browser.send("/servers/1/remove"))
    assert not example.services.servers.list()


# A new model


def test_one_server_is_not_asked_for(example, browser):
    example.with_server()
    assert browser.get("/new").headers["location"] == "/new/tasks?server=1"
    example.with_server("yard")

    assert {"dock", "yard"} <= set(words(browser.get("/new")).split())


def test_tasks_are_listed_with_what_is_known_of_them(example, browser):
    example.with_server()
    said = words(browser.get("/new/tasks?server=1"))

    assert "dock camera, May #12 dock 30 frames 2 jobs" in said
    assert "Video" in said


def test_tasks_are_searched_and_ticks_are_kept(example, browser):
    example.with_server()
    answer = browser.get("/new/tasks?server=1&task=12&search=June")

    assert "May" not in words(answer)
    assert '<input type="hidden" name="task" value="12">' in answer.text
    assert "1 more task selected on other pages: 12" in words(answer)


@pytest.mark.parametrize("search", ["13", "%2313", "{cvat}/tasks/13", "{cvat}/tasks/13/jobs/5"])
def test_a_task_is_found_by_its_number_and_by_its_address(example, browser, search):
    example.with_server()
    said = words(browser.get(f"/new/tasks?server=1&search={search.format(cvat=example.cvat.url)}"))

    assert "dock camera, June" in said
    assert "May" not in said


@pytest.mark.parametrize("search", ["99", "https://evil.example/tasks/13", "https://cvat.example.org/tasks"])
def test_a_number_that_is_no_task_is_searched_as_a_name(example, browser, search):
    example.with_server()
    example.cvat.add(plain_task(20, "pier 99"))

    assert ("pier 99" in words(browser.get(f"/new/tasks?server=1&search={search}"))) == (search == "99")
    assert browser.page.status_code == 200


def test_long_lists_have_pages(example, browser):
    example.with_server()
    for number in range(100, 150):
        example.cvat.add(plain_task(number, f"task {number}", boats=0))
    said = words(browser.get("/new/tasks?server=1&page=2"))

    assert "Page 2 of 3, 52 tasks" in said
    assert "Newer" in said
    assert "Older" in said


def test_boxes_are_counted_apart(example, browser):
    example.with_server()
    assert words(browser.get("/servers/1/tasks/12/boxes")).strip() == "boat 120 buoy 24 on 24 frames"
    example.cvat.add(plain_task(14, "bare", boats=0))
    assert "no boxes to learn from" in words(browser.get("/servers/1/tasks/14/boxes"))
    assert "task 99" in words(browser.get("/servers/1/tasks/99/boxes"))


def test_a_server_that_does_not_answer_is_an_error_in_one_sentence(example, browser, monkeypatch):
    from preannotate.cvat import requests

    monkeypatch.setattr(requests, "FIRST_WAIT_SECONDS", 0.0)
    example.with_server()
    example.with_model()
    example.cvat.fail("/api/", "status", status=503)
    for path in ("/new/tasks?server=1", "/new/model?server=1&task=12", START, "/models/boats/annotate"):
        answer = browser.get(path)
        assert answer.status_code == 502
        assert f"{example.cvat.url}" in words(answer)
        assert "503" in words(answer)
        assert "Traceback" not in answer.text


def test_a_preview_that_is_no_picture_is_not_passed_on(example, browser):
    example.with_server()
    assert browser.get("/servers/1/tasks/12/preview").headers["content-type"] == "image/png"
    example.cvat.tasks[13].images[0] = ("x.png", b"<script>")

    assert browser.get("/servers/1/tasks/13/preview").status_code == 404


def test_models_are_cards_with_the_recommended_one_chosen(example, browser):
    example.with_server()
    answer = browser.get("/new/model?server=1&task=12")

    assert re.search(r'value="([^"]+)" id="[^"]+" checked', answer.text)[1] == "auto"
    assert "144 boxes on 24 frames." in words(answer)
    assert words(answer).count("Recommended") == 1
    assert words(answer).index("Automatic") < words(answer).index("Recommended") < words(answer).index("is chosen")
    assert words(answer).count("Run: preannotate get base yolox-nano") == 1


@pytest.mark.parametrize(("arguments", "size"), [("image_size=512", "512x512"), ("image_size=x", None)])
def test_estimates_follow_the_arguments_of_an_earlier_run_unless_they_are_wrong(example, browser, arguments, size):
    example.with_server()
    usual = words(browser.get("/new/model?server=1&task=12"))
    answer = browser.get(f"/new/model?server=1&task=12&arguments={arguments}")

    assert answer.status_code == 200
    found = re.search(r"in an input of (\d+x\d+)", words(answer))[1]
    assert found == (size or re.search(r"in an input of (\d+x\d+)", usual)[1])


def test_a_run_chooses_its_model_itself_by_default(example, browser):
    example.with_server()
    start = browser.get("/new/start?server=1&task=12&model=auto")
    network = re.search(r"Automatic: ([\w-]+)", words(start))[1]
    answer = browser.send("/new/start", PLACE | {"model": "auto"}, follow=False)

    assert f"defaults for {network} and 24 images" in words(start)
    assert answer.headers["location"] == "/runs/1?done=started"
    assert (example.services.queue.get(1).request.model, example.services.queue.get(1).request.base_model) == (
        "auto", "auto"
    )  # fmt: skip


def test_nothing_to_learn_from_is_refused_early(example, browser):
    example.with_server()
    example.cvat.add(plain_task(12, "bare", boats=0))
    said = words(browser.get("/new/model?server=1&task=12"))

    assert "Not enough annotations yet" in said
    assert "Task 12: no boxes to learn from; expected some." in said
    assert "Continue" not in said
    assert "A published model knows boat without any training." in said
    assert "preannotate get coco-yolox-nano --name bare --only boat" in said
    assert browser.get(START).status_code == 409
    assert browser.send("/new/start", PLACE).status_code == 409
    assert not example.services.queue.list()


def test_few_boxes_are_warned_of_on_both_steps(example, browser):
    example.with_server()
    example.cvat.add(plain_task(12, "few", boats=1, annotated=12))

    assert "Only 24 boxes" in words(browser.get("/new/model?server=1&task=12"))
    assert "Only 24 boxes" in words(browser.get(START))


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/new/model?server=1", "No task is chosen; expected at least one. Go back and select the tasks to train on."),
        ("/new/start?server=1&task=12", "No model is chosen; expected one. Go back and choose one."),
        (
            f"{START}&base=version&base_version=boats/9",
            "Initial weights: no version 'boats/9'; expected one from the list. Go back and choose it.",
        ),
        (
            f"{START}&base=version&base_version=../../etc/1",
            "Initial weights: no version '../../etc/1'; expected one from the list. Go back and choose it.",
        ),
        (
            f"{START}&base=file&base_file=/no/such/file",
            "Initial weights: '/no/such/file'; expected a file of weights or the folder of a run that exists. "
            "Go back and correct it.",
        ),
    ],
)
def test_a_step_that_was_left_out_is_named(example, browser, path, sentence):
    example.with_server()
    answer = browser.get(path)

    assert answer.status_code == 400
    assert sentence in words(answer)


def test_the_last_step_is_filled_in(example, browser, monkeypatch):
    from preannotate.studio.web.pages import wizard_start

    places = [
        Machine("cpu", "Processor"),
        Machine("gpu:0", "GPU 0", "no CUDA"),
    ]
    monkeypatch.setattr(wizard_start, "machines", lambda settings: places)
    example.with_server()
    answer = browser.get(START)

    assert 'id="name" name="name" type="text" autocomplete="off" value="dock"' in answer.text
    assert re.search(r'name="a-epochs" type="text" autocomplete="off" value="\d+"', answer.text)
    assert re.search(r'value="gpu:0"[^>]* disabled', answer.text)


def test_a_name_that_is_taken_gets_a_number(full, browser):
    full.with_model("dock")

    assert 'value="dock-2"' in browser.get(START).text
    assert "this run trains its version 3." in words(browser.get(f"{START}&name=dock"))


def test_a_run_is_queued_as_the_form_says(example, browser):
    example.with_server()
    filled = {
        "a-epochs": "90",
        "a-augment": "none",
        "a-jit": "false",
        "arguments": "batch_size=24",
        "annotate_rest": "on",
    }
    answer = browser.send("/new/start", PLACE | filled | {"only_if_better": "on", "task": ["12", "13"]}, follow=False)
    run = example.services.queue.get(1)

    assert answer.headers["location"] == "/runs/1?done=started"
    assert run.request == RunRequest(
        cvat=example.cvat.url,
        name="boats",
        tasks=(12, 13),
        model="ssd-mobilenet-v2",
        arguments="epochs=90,augment=none,batch_size=24",
        annotate_rest=True,
        only_if_better=True,
    )
    assert (run.kind, run.source, run.server_id, run.machine, run.notify) == ("train", "studio", 1, "cpu", False)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "My Boats"}, " Name: 'My Boats'; expected 1 to 52 lower-case letters, digits and hyphens"),
        ({"machine": "gpu:0"}, "Machine: 'gpu:0'; expected one from the list."),
        ({"deploy": "moon"}, "After training: 'moon'; expected one of: serve, nuctl, none."),
        ({"a-epochs": "many"}, "epochs=many; expected"),
        ({"arguments": "epoks=3"}, "unknown name 'epoks'; expected one of:"),
    ],
)
def test_what_is_wrong_is_said_and_all_input_kept(example, browser, changes, sentence):
    example.with_server()
    data = PLACE | {"name": "boats", "arguments": "seed=5", "annotate_rest": "on", "deploy": "none"} | changes
    answer = browser.send("/new/start", data)

    assert answer.status_code == 422
    assert sentence in words(answer)
    assert "Training not started" in words(answer)
    assert f'value="{data["name"]}"' in answer.text
    assert f">{data['arguments']}</textarea>" in answer.text
    assert re.search(r'id="annotate_rest"[^>]* checked', answer.text)
    assert '<input type="hidden" name="task" value="12">' in answer.text
    assert not example.services.queue.list()


def test_a_queue_that_refuses_a_run_is_an_error_of_the_form(example, browser, monkeypatch):
    example.with_server()
    monkeypatch.setattr(example.services.queue, "add", refuse)

    assert "order: refused." in words(browser.send("/new/start", PLACE))


def test_a_file_to_start_from_must_lie_in_the_workspace_for_others(example, browser, tmp_path):
    from preannotate.studio.web.app import AccessPolicy, make_app

    example.with_server()
    outside, inside = tmp_path / "secret.h5", example.services.workspace.path / "own.h5"
    for file in (outside, inside):
        file.write_bytes(b"")
    access = AccessPolicy(names=("127.0.0.1",), numbers=False, token="", key=b"k", files_anywhere=False)
    guest = type(browser)(make_app(example.services, access))

    for path in (outside, tmp_path / "nothing.h5", "../secret.h5", ""):
        answer = guest.get(f"{START}&base=file&base_file={path}")
        assert answer.status_code == 400
        assert "expected a file of weights or the folder of a run in the studio's workspace, workspace." in words(
            answer
        )
    assert guest.get(f"{START}&base=file&base_file=own.h5").status_code == 200
    assert browser.get(f"{START}&base=file&base_file={outside}").status_code == 200


# Runs


def test_a_run_shows_stages_curves_and_log(full, browser):
    answer = browser.get("/runs/1")
    said = words(answer)

    assert "Epoch 10 of 40" in said
    assert "about 11 min of training left" in said
    assert "Download annotations : Done" in said
    assert "Accuracy on validation images over 10 of 40 epochs; latest: mAP50 0." in unescape(answer.text)
    assert "epoch 10: loss 0.200 <b>" in said
    assert "<b>" not in answer.text
    assert f'href="{full.cvat.url}/tasks/12"' in answer.text


def test_a_failed_run_shows_its_error(full, browser):
    full.with_run("failed", error="train: 3 images; expected at least 10. Annotate more.")

    assert "Run failed train: 3 images; expected at least 10. Annotate more." in words(browser.get("/runs/2"))
    assert "Resume" in words(browser.page)


def test_runs_are_grouped(full, browser):
    full.with_run("waiting")
    full.with_run("done")
    headings = re.findall(r'<h2 id="group-\d">(\w+)</h2>', browser.get("/runs").text)

    assert headings == ["Running", "Waiting", "Finished"]


def test_a_run_is_stopped_resumed_and_deleted(full, browser):
    assert "The current step finishes first" in words(browser.send("/runs/1/stop"))
    full.change_run(1, "stopped")
    assert "continues where it stopped" in words(browser.send("/runs/1/resume"))
    full.change_run(1, "done")
    assert "Delete run 1 of boats?" in words(browser.get("/runs/1/delete"))
    assert full.services.queue.get(1)
    assert "Run deleted." in words(browser.send("/runs/1/delete"))
    assert not full.services.queue.list()


def test_a_running_run_cannot_be_deleted(full, browser):
    answer = browser.send("/runs/1/delete")

    assert answer.status_code == 400
    assert "run 1: is running;" in words(answer)


def test_the_log_is_text(full, browser):
    (full.services.queue.get(1).folder / "log.txt").write_bytes(b"<script>\xff")
    answer = browser.get("/runs/1/log")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "<script>\ufffd"
    assert browser.get("/runs/9/log").status_code == 404


def test_results_of_a_ranking_are_shown_and_served(full, browser, tmp_path):
    run = full.with_run("done", kind="rank")
    run.folder.mkdir(parents=True)
    (run.folder / "ranking.csv").write_text(
        "\ufeffrank,link,diversity,reasons\n1,https://cvat.example.org/tasks/12,0.7981,<b>doubt</b>\n", encoding="utf-8"
    )
    (run.folder / "review.html").write_text("<h1>review</h1>")
    (run.folder / "secret.txt").symlink_to("/etc/passwd")
    answer = browser.get("/runs/2")

    assert "<b>doubt</b>" in words(answer)
    assert "<b>" not in answer.text
    assert "Rank Link Reasons 1 open in CVAT" in words(answer)
    assert "Open with images" in words(answer)
    assert browser.get("/runs/2/files/ranking.csv").headers["content-disposition"].startswith("attachment")
    assert "; sandbox" in browser.get("/runs/2/files/review.html").headers["content-security-policy"]
    for name in ("secret.txt", "log.txt", "..%2f..%2fjobs.sqlite", "%2e%2e", ".hidden.csv"):
        assert browser.get(f"/runs/2/files/{name}").status_code == 404


def test_a_run_can_be_ordered_again_as_it_was(full, browser):
    run = full.with_run("done", arguments="epochs=90,seed=3", tasks=(12, 13))
    link = unescape(re.search(r'id="again" href="([^"]+)"', browser.get(f"/runs/{run.id}").text)[1])
    model = browser.get(link)
    assert '<input type="hidden" name="arguments" value="epochs=90,seed=3">' in model.text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', model.text))
    last = browser.get("/new/start", params=fields | {"model": "ssd-mobilenet-v2", "task": ["12", "13"]})

    assert ">epochs=90,seed=3</textarea>" in last.text
    assert 'value="boats"' in last.text


# Models


def test_models_and_versions_are_listed(full, browser):
    assert "Published: version 1" in words(browser.get("/models"))
    said = words(browser.get("/models/boats"))

    assert "Version 2" in said
    assert "0.930" in said
    assert "Passed: the function gives the same detections as the trained network." in said


def test_runs_of_a_model_begin_with_the_task_that_it_was_trained_on(full, browser):
    path = full.services.workspace.model("boats").run_request
    write_run_request(path, RunRequest(cvat=full.cvat.url, tasks=(13,)))
    assert 'href="/models/boats/annotate?server=1&amp;task=13"' in browser.get("/models/boats").text
    assert re.search(r'value="13" id="task-13" checked', browser.get("/models/boats/annotate?server=1&task=13").text)
    write_run_request(path, RunRequest(cvat="https://gone.example.org", tasks=(13,)))

    assert 'href="/models/boats/annotate"' in browser.get("/models/boats").text


def test_a_version_is_published_in_the_way_it_was(full, browser, monkeypatch):
    full.with_model("yachts", deploy="nuctl")
    published = []
    monkeypatch.setattr(
        "preannotate.studio.models.publication.publish",
        lambda _, name, number, *, deploy: published.append((name, number, deploy)),
    )
    browser.send("/models/yachts/publish", {"version": "2"})

    assert published == [("yachts", 2, "nuctl")]


def test_publishing_rolling_back_and_unpublishing(full, browser):
    browser.send("/models/boats/publish", {"version": "2"})
    assert "Roll back to version 1" in words(browser.get("/models/boats"))
    assert "Rolled back." in words(browser.send("/models/boats/roll-back"))
    assert full.services.models.get("boats").published == 1
    assert "Unpublish boats?" in words(browser.get("/models/boats/unpublish"))
    browser.send("/models/boats/unpublish")

    assert full.services.models.get("boats").published is None
    assert not (full.services.workspace.functions / "boats").exists()


def test_a_version_that_does_not_exist_is_not_published(full, browser):
    answer = browser.send("/models/boats/publish", {"version": "9"})

    assert answer.status_code == 400
    assert "boats: no finished version 9; expected one of: 1, 2." in words(answer)


def test_a_threshold_is_changed_by_label(full, browser):
    browser.send("/models/boats/versions/1/threshold", {"label-0": "0,5", "label-1": "0.25"})

    assert full.services.models.get("boats").thresholds == {"boat": 0.5, "buoy": 0.25}


@pytest.mark.parametrize("text", ["1.5", "-1", "much", "nan", ""])
def test_a_threshold_that_is_none_is_refused(full, browser, text):
    answer = browser.send("/models/boats/versions/1/threshold", {"label-0": text, "label-1": "0.25"})

    assert answer.status_code == 422
    assert f"Threshold of boat: {text!r}; expected a number from 0 to 1." in words(answer)
    assert full.services.models.get("boats").thresholds == {"boat": 0.42, "buoy": 0.38}


def test_pictures_and_reports_are_those_of_the_version(full, browser):
    assert browser.get("/models/boats/versions/1").text.count("<img") == 4
    assert browser.get("/models/boats/versions/1/overlays/frame%200.jpg").headers["content-type"] == "image/jpeg"
    assert browser.get("/models/boats/versions/1/report").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/models/none", "/models/..%2f..", "/models/boats/versions/7", "/models/boats/versions/1/overlays/nothing.png",
        "/models/boats/versions/1/overlays/..%2f..%2freport.html", "/models/boats/paint", "/runs/77", "/servers/77",
        "/servers/77/remove", "/new/tasks?server=77", "/nothing", "/models/boats/versions/x",
        "/runs/99999999999999999999",
    ],
)  # fmt: skip
def test_what_is_not_there_has_a_page_that_says_so(full, browser, path):
    answer = browser.get(path)

    assert answer.status_code == 404
    assert "Go to the home page" in words(answer)


def test_a_version_without_a_report_says_so(full, browser):
    (full.services.workspace.model("boats").version(1).run / "report.html").unlink()

    assert browser.get("/models/boats/versions/1/report").status_code == 404
    assert "model 'boats': no report of version 1;" in words(browser.page)


@pytest.mark.parametrize(
    ("kind", "fields", "options"),
    [
        (
            "annotate",
            {"threshold": "0.5", "confidence_attribute": "sure", "annotated_frames": "on"},
            {"threshold": 0.5, "confidence_attribute": "sure", "annotated_frames": True},
        ),
        ("review", {"top": "30", "issues": "on"}, {"top": 30, "issues": True}),
        ("rank", {"top": "30", "create_task": "next ones"}, {"top": 30, "create_task": "next ones"}),
    ],
)
def test_a_model_is_put_to_work(full, browser, kind, fields, options):
    assert "dock camera, May" in words(browser.get(f"/models/boats/{kind}"))
    answer = browser.send(f"/models/boats/{kind}", {"server": "1", "task": "12"} | fields, follow=False)
    request = full.services.queue.get(2).request

    assert answer.headers["location"] == "/runs/2?done=started"
    assert request == TaskRequest(kind=kind, cvat=full.cvat.url, name="boats", task=12, version=1, **options)


def test_the_boxes_of_the_wizard_are_fields_of_a_run_request():
    from preannotate.studio.web.pages import wizard_start

    assert set(wizard_start.BOXES) - {"notify"} <= {field.name for field in dataclasses.fields(RunRequest)}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Task: none chosen; expected one from the list."),
        ({"task": "12", "threshold": "2"}, "Threshold: '2'; expected a number from 0 to 1, or nothing."),
    ],
)
def test_work_that_can_not_be_ordered_says_why(full, browser, fields, sentence):
    answer = browser.send("/models/boats/annotate", {"server": "1"} | fields)

    assert answer.status_code == 422
    assert sentence in words(answer)


def test_a_model_without_a_finished_version_cannot_be_used(full, browser):
    full.services.workspace.model("drafts").version(1).run.mkdir(parents=True)
    answer = browser.get("/models/drafts/annotate")

    assert answer.status_code == 409
    assert "drafts: no finished version; expected one. Train the model first." in words(answer)


# Settings

MAIL = {
    "host": "mail.example.org", "port": "", "security": "starttls", "mail_user": "studio", "mail_password": "pass word",
    "sender": "studio@example.org", "recipients": "ann@example.org, bob@example.org",
}  # fmt: skip


def test_mail_is_set_with_the_usual_port(example, browser):
    assert "Saved." in words(browser.send("/settings/mail", MAIL))
    smtp = example.services.settings.notifications().smtp

    assert (smtp.port, smtp.password, smtp.recipients) == (587, "pass word", ("ann@example.org", "bob@example.org"))
    assert "pass word" not in browser.get("/settings").text


def test_an_empty_password_keeps_the_saved_one_for_the_same_server_only(example, browser):
    browser.send("/settings/mail", MAIL)
    browser.send("/settings/mail", MAIL | {"mail_password": "", "sender": "other@example.org"})
    assert example.services.settings.notifications().smtp.password == "pass word"
    answer = browser.send("/settings/mail", MAIL | {"mail_password": "", "host": "evil.example.org"})

    assert answer.status_code == 422
    assert example.services.settings.notifications().smtp.host == "mail.example.org"


def test_mail_is_switched_off_by_an_empty_host(example, browser):
    browser.send("/settings/mail", MAIL)
    browser.send("/settings/mail", {"host": ""})

    assert example.services.settings.notifications().smtp is None


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"port": "x"}, "port", "Port: 'x'; expected a whole number from 1 to 65535."),
        ({"sender": "nobody"}, "sender", "sender: 'nobody'; expected an address"),
        ({"recipients": ""}, "recipients", "recipients: none; expected at least one address."),
        (
            {"mail_password": ""},
            "mail_user",
            "login of the mail server: a user without a password; expected both or none.",
        ),
    ],
)
def test_what_is_wrong_with_mail_stands_at_its_field(example, browser, changes, field, sentence):
    answer = browser.send("/settings/mail", MAIL | changes)

    assert answer.status_code == 422
    assert sentence in words(answer)
    assert f'id="{field}-error"' in answer.text
    assert 'value="mail.example.org"' in answer.text
    assert "pass word" not in answer.text


def test_the_address_of_a_webhook_is_never_shown_again(example, browser):
    secret = "https://chat.example.org/hooks/very-secret-path"
    browser.send("/settings/webhook", {"webhook_url": secret, "webhook_secret": "a secret"})
    assert example.services.settings.notifications().webhook == WebhookSettings(secret, "a secret")
    page = browser.get("/settings")
    assert "https://chat.example.org" in page.text
    assert "very-secret-path" not in page.text
    browser.send("/settings/webhook", {"webhook_url": "", "webhook_secret": ""})
    assert example.services.settings.notifications().webhook == WebhookSettings(secret, "a secret")
    browser.send("/settings/webhook", {"off": "1"})

    assert example.services.settings.notifications().webhook is None


def test_a_webhook_that_is_none_is_refused(example, browser):
    answer = browser.send("/settings/webhook", {"webhook_url": "chat"})

    assert "webhook: not a URL; expected one, as in https://chat.example.org/hooks/abc." in words(answer)


def test_a_test_message_says_what_was_not_delivered(example, browser, monkeypatch):
    from preannotate.studio.web.pages import settings

    assert "No notifications are set up; expected e-mail or a webhook." in words(browser.send("/settings/test"))
    smtp = SmtpSettings("mail.example.org", 25, "none", "", "", "a@example.org", ("b@example.org",))
    example.services.settings.set_notifications(NotifySettings(smtp))
    monkeypatch.setattr(
        settings, "deliver", lambda told, message: ["mail.example.org: refused; expected a mail server."]
    )
    answer = browser.send("/settings/test")
    assert answer.status_code == 502
    assert "mail.example.org: refused; expected a mail server." in words(answer)
    monkeypatch.setattr(settings, "deliver", lambda told, message: [])

    assert "Test message sent." in words(browser.send("/settings/test"))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"simultaneous": "0"}, "Simultaneous runs: '0'; expected a whole number from 1 to 16."),
        ({"simultaneous": "2", "link_base": "x"}, "address of the studio: 'x'; expected"),
    ],
)
def test_settings_of_the_studio_that_can_not_be(example, browser, fields, sentence):
    answer = browser.send("/settings/studio", fields)

    assert sentence in words(answer)
    assert example.services.settings.simultaneous == 1


def test_settings_of_the_studio(example, browser):
    browser.send("/settings/studio", {"simultaneous": "2", "link_base": "http://studio.example.org:8090"})

    assert (example.services.settings.simultaneous, example.services.settings.link_base) == (
        2,
        "http://studio.example.org:8090",
    )


# Whatever happens


def test_a_mistake_of_the_studio_is_a_page_and_not_a_traceback(example, browser, monkeypatch):
    def broken():
        raise RuntimeError("secret-detail")

    monkeypatch.setattr(example.services.models, "list", broken)
    answer = browser.get("/models")

    assert answer.status_code == 500
    assert "Internal error" in words(answer)
    assert "secret-detail" not in answer.text


def test_what_the_disk_refuses_is_said(full, browser, monkeypatch):
    def full_disk(*_, **__):
        raise OSError(28, "No space left on device", "/w/functions")

    monkeypatch.setattr(full.services.models, "publish", full_disk)
    answer = browser.send("/models/boats/publish", {"version": "2"})

    assert answer.status_code == 500
    assert "No space left on device: '/w/functions'. Fix the cause and try again." in words(answer)


def test_names_of_strangers_are_escaped(example, browser):
    example.with_server("<img src=x onerror=alert(1)>")
    example.cvat.add(plain_task(12, "<script>alert(1)</script>'\"><b>"))
    for path in (
        "/new?choose=1",
        "/new/tasks?server=1&search=%3Cscript%3E",
        "/new/model?server=1&task=12",
        START,
        "/settings",
    ):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert "<b>" not in answer.text


def test_a_notice_says_only_what_is_in_the_list(browser):
    assert "Saved." in words(browser.get("/settings?done=saved"))
    assert "evil" not in words(browser.get("/settings?done=evil+words"))


def test_a_colour_of_a_label_is_a_colour(example, browser):
    example.with_server()
    example.cvat.tasks[12].labels[0].color = 'url("//evil")'

    assert "boat 120" in words(browser.get("/servers/1/tasks/12/boxes"))
    assert "evil" not in browser.page.text


def test_a_wrong_method_is_said(browser):
    answer = browser.ask("DELETE", "/runs")

    assert answer.status_code == 405
    assert "/runs: DELETE is not allowed here." in words(answer)
