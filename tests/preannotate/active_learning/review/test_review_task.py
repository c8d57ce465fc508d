"""A function with a fake engine, the real cvat-sdk and a stand-in of each version: what is said, shown and told."""

import csv
import hashlib
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask, key_frame, rectangle, track
from support.cvat_stand_in_changes import Changes

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main

CAT, DOG = FakeLabel(7, "Kätzchen & <co>", "rectangle"), FakeLabel(8, "dog", "any")


def picture(left, background=(0, 0, 0)):
    """The fake engine sees what is red: a cat with 0.9 and a dog with 0.4; None shows nothing."""
    image = Image.new("RGB", (64, 64), background)
    if left is not None:
        image.paste((255, 0, 0), (left, 8, left + 20, 40))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def pets(**more):
    """Twelve frames on which all agree; then one of each kind, and one that nobody looked at."""
    right = [(i, [i, 8, i + 20, 40]) for i in range(12)]
    shapes = [rectangle(frame, 7, points) for frame, points in right]
    shapes += [
        rectangle(12, 7, [40, 50, 60, 60]),  # the cat at the left is missing, and this is needless
        rectangle(13, 8, [13, 8, 33, 40]),  # a dog
        rectangle(14, 7, [14, 8, 48, 40]),  # 20 of 34 columns
        rectangle(15, 7, [15, 8, 35, 40]), rectangle(15, 7, [15, 8, 35, 38]),
    ]  # fmt: skip
    images = [(f"{i}.png", picture(i if i != 12 else 2)) for i in range(17)]
    job = FakeJob(40, 0, 16, shapes=shapes)
    return FakeTask(**({"id": 12, "images": images, "labels": [CAT, DOG], "jobs": [job]} | more))


@pytest.fixture
def run(function, capsys, tmp_path):
    """The command on task 12, its output in `out`; what it prints."""

    def command(cvat, *options, expected=0):
        arguments = ["review", str(function), "--task", "12", "--cvat", cvat.url]
        code = main([*arguments, "--output", str(tmp_path / "out"), *options])
        said = capsys.readouterr()
        assert code == expected, said.err
        return said.err if expected == COULD_NOT_RUN else said.out

    return command


def review(tmp_path):
    return json.loads((tmp_path / "out" / "review.json").read_text(encoding="utf-8"))


def page(tmp_path):
    return (tmp_path / "out" / "review.html").read_text(encoding="utf-8")


def test_each_kind_is_found_and_said(cvat, run, tmp_path):
    cvat.add(pets())

    said = run(cvat)

    content = review(tmp_path)
    found = {(one["kind"], one["frame"]) for one in content["disagreements"]}
    assert found == {("missing", 12), ("extra", 12), ("label", 13), ("loose", 14), ("duplicate", 15)}
    assert content["kinds"] == {"missing": 1, "extra": 1, "label": 1, "loose": 1, "duplicate": 1}
    assert (
        f"task 12 of {cvat.url}: 16 frames with 17 boxes compared, 5 disagreements: 1 missing box, 1 extra box, "
        f"1 different label, 1 loose box, 1 duplicate box\n"
        f"left out: 1 frame without annotations, in a job that is not completed\n"
    ) in said
    likely = [one["likelihood"] for one in content["disagreements"]]
    assert likely == sorted(likely, reverse=True)
    (missing,) = [one for one in content["disagreements"] if one["kind"] == "missing"]
    assert missing["link"] == f"{cvat.url}/tasks/12/jobs/40?frame=12"
    assert missing["model"] == [2, 8, 22, 40]


def test_a_completed_job_says_that_nothing_is_there(newest, run, tmp_path):
    job = FakeJob(41, 16, 16, "completed")
    task = pets()
    task.jobs = [FakeJob(40, 0, 15, shapes=task.jobs[0].shapes), job]
    newest.add(task)

    run(newest)
    assert ("missing", 16) in {(one["kind"], one["frame"]) for one in review(tmp_path)["disagreements"]}

    run(newest, "--completed-jobs")
    assert {one["frame"] for one in review(tmp_path)["disagreements"]} == {16}


def test_the_page_needs_nothing_else_and_escapes_names(newest, run, tmp_path):
    task = pets(name="<script>alert(1)</script>")
    task.images[12] = ("<img src=x onerror=alert(1)>.png", task.images[12][1])
    newest.add(task)

    run(newest)

    html = page(tmp_path)
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
    parser.feed(html)
    assert {tag for tag, _ in tags} & {"script", "iframe", "link", "object", "img"} == set()
    assert all(said["href"].startswith("data:image/jpeg;base64,") for tag, said in tags if tag == "image")
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert not any(name.startswith("on") for _, said in tags for name in said)
    assert "Kätzchen &amp; &lt;co&gt;" in html
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in html
    links = [said["href"] for tag, said in tags if tag == "a"]
    assert f"{newest.url}/tasks/12/jobs/40?frame=13" in links
    radios = [said for tag, said in tags if tag == "input"]
    assert [one["id"] for one in radios] == [
        "show-all", "show-missing", "show-extra", "show-label", "show-loose", "show-duplicate"
    ]  # fmt: skip
    assert "#show-label:checked ~ ol > li:not(.label)" in html


def test_boxes_are_drawn_where_they_are(newest, run, tmp_path):
    newest.add(pets())

    run(newest, "--top", "5")

    html = page(tmp_path)
    (card,) = [part for part in html.split("<li ")[1:] if part.startswith('class="card loose"')]
    boxes = re.findall(r'rect class="(annotated|model)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', card)
    (_, x, _, annotated), (_, model_x, _, model) = boxes
    assert x == model_x
    assert float(annotated) / float(model) == pytest.approx(34 / 20, rel=0.01)


def test_outlines_are_compared_by_their_pixels_and_drawn_as_they_are(newest, mask_function, run, tmp_path):
    """The model sees all but the lower right quarter of what is red."""

    def polygon(frame, *points):
        return rectangle(frame, 7, [float(value) for point in points for value in point], type="polygon")

    x = 15
    whole = [(x, 8), (x + 20, 8), (x + 20, 40), (x, 40)]
    three_quarters = [(x, 8), (x + 20, 8), (x + 20, 24), (x + 10, 24), (x + 10, 40), (x, 40)]
    shapes = [polygon(0, *three_quarters), polygon(1, *whole), rectangle(2, 7, [x, 8, x + 20, 40])]
    images = [(f"{i}.png", picture(x)) for i in range(3)]
    newest.add(pets(images=images, jobs=[FakeJob(40, 0, 2, shapes=shapes)], labels=[replace(CAT, type="any"), DOG]))

    said = run(newest)
    assert "1 disagreement: 1 loose outline\n" in said
    assert run(newest) == said, "from what was kept"

    (one,) = review(tmp_path)["disagreements"]
    assert (one["kind"], one["frame"], one["outline"]) == ("loose", 1, True)
    assert one["iou"] == pytest.approx(0.75, abs=0.1)
    html = page(tmp_path)
    assert "<h2>1. Loose outline</h2>" in html
    paths = re.findall(r'path class="outline (annotated|model)" d="M[\dL Z]+"', html)
    assert paths == ["annotated", "model"]


def test_the_first_ones_go_on_the_page_and_all_into_the_files(newest, run, tmp_path):
    newest.add(pets())

    run(newest, "--top", "2")

    assert page(tmp_path).count('<li class="card') == 2
    rows = list(csv.DictReader((tmp_path / "out" / "review.csv").open(encoding="utf-8-sig")))
    assert len(rows) == len(review(tmp_path)["disagreements"]) == 5
    assert rows[0]["link"].startswith(newest.url)


def test_no_cell_is_a_formula(newest, run, tmp_path):
    task = pets()
    task.images = [(f"=cmd|'{name}", content) for name, content in task.images]
    newest.add(task)

    run(newest)

    rows = list(csv.DictReader((tmp_path / "out" / "review.csv").open(encoding="utf-8-sig")))
    assert {row["image"][:3] for row in rows} == {"'=c"}


def test_issues_are_made_once(cvat, run):
    cvat.add(pets())
    changes = Changes(cvat)
    cvat.pages.append(changes)

    first = run(cvat, "--issues", "--top", "3")
    again = run(cvat, "--issues", "--top", "3")
    all_of_them = run(cvat, "--issues")

    assert "issues in CVAT: 3 new, 0 existed already\n" in first
    assert "issues in CVAT: 0 new, 3 existed already\n" in again
    assert "issues in CVAT: 2 new, 3 existed already\n" in all_of_them
    assert len(changes.issues) == 5
    (missing,) = [one for one in changes.issues if "missing" in one["message"]]
    assert missing["job"] == 40
    assert missing["frame"] == 12
    assert missing["position"] == [2.0, 8.0, 22.0, 40.0]
    assert missing["message"] == (
        "Preannotate, missing box: The model detects 'Kätzchen & <co>' (0.90); nothing is annotated there."
    )


def test_an_issue_of_a_person_at_the_same_place_is_another_one(newest, run):
    newest.add(pets())
    changes = Changes(newest)
    newest.pages.append(changes)
    changes.issues.append(
        {"id": 1, "job": 40, "frame": 12, "position": [2, 8, 22, 40], "message": "what is this?", "resolved": True}
    )

    assert "issues in CVAT: 5 new, 0 existed already\n" in run(newest, "--issues")


def test_an_answer_that_is_lost_makes_no_two_issues(newest, run):
    newest.add(pets())
    changes = Changes(newest)
    newest.pages.append(changes)
    newest.fail("POST /api/issues", "lost", times=1)

    said = run(newest, "--issues", expected=COULD_NOT_RUN)
    assert said == (
        f"error: {newest.url}: the connection broke off during a new issue of job 40; expected the whole response. "
        f"Check the network. Run the same command again to continue.\n"
    )

    assert "issues in CVAT: 4 new, 1 existed already\n" in run(newest, "--issues")
    assert len(changes.issues) == 5


def test_without_the_option_nothing_is_changed(newest, run):
    newest.add(pets())
    changes = Changes(newest)
    newest.pages.append(changes)

    run(newest)

    assert changes.issues == []
    assert [request for request in newest.requests if not request.startswith("GET ")] == []


def test_frames_that_the_model_was_trained_on_are_said(newest, run, tmp_path, function):
    task = newest.add(pets())
    made = {"created": "2026-11-20T10:00:00+00:00", "dataset": "abc", "run": "pets"}
    model = function / "nuclio" / "model.json"
    content = json.loads(model.read_text()) | {"provenance": made}
    model.write_text(json.dumps(content))
    trained = tmp_path / "runs" / "pets"
    (trained / "data").mkdir(parents=True)
    (trained / "export").mkdir()
    shutil.copy(model, trained / "export")
    samples = [{"content": hashlib.sha256(task.images[frame][1]).hexdigest()} for frame in (12, 3)]  # 12 looks as 2
    (trained / "data" / "train.json").write_text(json.dumps({"samples": samples}))

    said = run(newest, "--run", str(trained))

    assert (
        "note: the model was trained on 3 of these 16 frames: it agrees with their annotations, and mistakes there "
        "are harder to find.\n"
    ) in said
    assert {one["frame"] for one in review(tmp_path)["disagreements"] if one["trained_on"]} == {12}
    assert review(tmp_path)["frames_trained_on"] == 3
    assert "trained on</span>" in page(tmp_path)
    # Beside the functions, in `runs/`, it is found without being named.
    assert "was trained on 3 of these 16 frames" in run(newest)
    # The run of another training is not taken for it.
    model.write_text(json.dumps(content | {"provenance": made | {"dataset": "other"}}))
    assert "note: the training run of this function was not found, so it is unknown whether " in run(newest)


def test_tracks_are_compared_on_each_frame(newest, run, tmp_path):
    video = pets(video=True)
    video.images = [("", picture(2)) for _ in range(4)]
    keys = (key_frame(0, [2, 8, 22, 40]), key_frame(3, [2, 8, 22, 40]))
    video.jobs = [FakeJob(40, 0, 3, tracks=[track(8, *keys)])]
    newest.add(video)

    run(newest)

    assert [one["frame"] for one in review(tmp_path)["disagreements"] if one["kind"] == "label"] == [0, 1, 2, 3]
    assert review(tmp_path)["disagreements"][0]["image"] == "frame_000000"


def test_a_frame_that_cannot_be_read_is_named(newest, run, tmp_path):
    task = pets()
    task.images[13] = ("13.png", task.images[13][1][:60])
    newest.add(task)

    said = run(newest, expected=1)

    assert "not readable: frame 13: " in said
    assert 13 not in {one["frame"] for one in review(tmp_path)["disagreements"]}


def test_errors_say_what_to_do(newest, run, tmp_path):
    newest.add(pets(jobs=[FakeJob(40, 0, 16)]))

    assert run(newest, "--run", str(tmp_path), expected=COULD_NOT_RUN) == (
        f"error: --run: {tmp_path} is no training run; expected runs/NAME. Name the function's run.\n"
    )
    assert run(newest, expected=COULD_NOT_RUN) == (
        "error: task 12: no annotated frame (left out: 17 without annotations, in a job that is not completed); "
        "expected some to compare. Annotate frames in CVAT and save them.\n"
    )


def test_where_all_agree_the_page_says_so(newest, run, tmp_path):
    task = pets()
    task.jobs = [FakeJob(40, 0, 16, shapes=task.jobs[0].shapes[:12])]
    newest.add(task)

    said = run(newest)

    assert f"task 12 of {newest.url}: 12 frames with 12 boxes compared, 0 disagreements\n" in said
    assert "The model agrees with the annotations of every frame." in page(tmp_path)
