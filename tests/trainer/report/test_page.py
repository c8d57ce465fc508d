"""The page as a reader, a browser and a screen reader meet it."""

import dataclasses
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from evaluation.speed import StageTimes
from evaluation.thresholds import ThresholdSweep
from runtime.manifest import Postprocess
from tests.trainer.report.finished_run import found, write_json, write_run
from trainer.errors import TrainingError
from trainer.report import BuiltFunction, plots
from trainer.report.facts import RunFacts
from trainer.report.page import render, write

# Elements that HTML never closes.
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Elements, their attributes and the text of a page; complains of what is not nested."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "svg"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).replace("\N{NO-BREAK SPACE}", " ").split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return Page(render(RunFacts.read(write_run(tmp_path_factory.mktemp("runs") / "pets"))))


def test_what_was_decided_has_its_reason(page):
    assert "What was decided for these images, and why batch_size=8 : the usual number for <this> model." in page.text


def test_the_summary_says_what_the_model_saves(page):
    # Of 18 boxes one dog each is missed on four images; the second image: loose, wrong label, false, missed.
    # Checked 3 + 3 + 4 x 2 = 14: 25.2 s; missed 5: 125; false 1: 3; loose 1: 8; relabel 1: 4. Together 165 of 450 s.
    assert "needs about 2 min 45 s instead of 7 min 30 s for the objects of the 6 validation images" in page.text
    assert "2.7 times less" in page.text
    assert "13 of 18" in page.text


def test_a_small_validation_set_is_a_warning(page):
    assert (
        "The validation set is too small for reliable figures: 6 images with 18 objects, so one object is 5.6 % of "
        "them." in page.text
    )


def test_the_next_steps_name_what_helps(page):
    assert "Annotate more images with cat (6): in brackets the validation objects" in page.text
    assert "Train longer: mAP was still rising when the training ended." in page.text
    assert "Most of the correction time goes into drawing missed boxes (125 of 140 s)." in page.text


def test_nothing_comes_from_outside_and_nothing_runs(page):
    assert page.all("script") == [] and page.all("link") == [] and page.all("iframe") == []
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("src", "href", "xlink:href", "action"):
            assert re.match(r"data:image/jpeg;base64,|#|$", attributes.get(name, "")), attributes
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "script" not in policy


def test_the_page_can_be_read_aloud(page):
    assert page.all("html") == [{"lang": "en"}]
    assert [tag for tag, _ in page.elements if tag == "h1"] == ["h1"]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.all("img") and all(image["alt"] and image["width"] for image in page.all("img"))
    assert all(heading.get("scope") for heading in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(svg["aria-hidden"] == "true" for svg in page.all("svg"))


def test_ids_are_unique_and_links_inside_lead_somewhere(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    targets = [a["href"][1:] for _, a in page.elements if a.get("href", "").startswith("#")]
    clips = re.findall(r"url\(#([^)]+)\)", " ".join(str(attributes) for _, attributes in page.elements))

    assert len(ids) == len(set(ids))
    assert set(targets) | set(clips) <= set(ids)


def test_the_page_follows_light_and_dark_and_is_small(run):
    text = render(RunFacts.read(run))

    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]", text), "a colour that stands for a variable was left"
    assert len(text) < 1_000_000


HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "$x^2$ {{ 7 * 7 }} </style>",
    "猫 قطة кот",
)


def test_hostile_labels_and_names_stay_text(tmp_path):
    names = ["<svg onload=alert(1)>", "a\"b'c", "</figcaption><h1>", "${x}", "%s%n", "\N{RIGHT-TO-LEFT OVERRIDE}gpj"]
    run = write_run(tmp_path / "a<b>&c", HOSTILE, names, export_name="<b>x</b>.zip")

    page = Page(render(RunFacts.read(run)))

    assert page.all("script") == []
    assert len(page.all("h1")) == 1
    assert all("onerror" not in a and "onload" not in a for _, a in page.elements)
    for label in HOSTILE:
        assert label in page.text
    assert "a<b>&c" in page.text and "<b>x</b>.zip" in page.text


def test_many_classes_keep_the_tables_and_limit_the_curves(tmp_path):
    labels = tuple(f"class {number}" for number in range(40))

    page = Page(render(RunFacts.read(write_run(tmp_path / "many", labels))))

    assert len(page.all("svg")) == 2 + 2 * 12
    assert "Curves of the 12 classes with most objects; the table under Accuracy holds all 40 thresholds." in page.text
    assert page.text.count("no validation object, so not measured") == 38


def test_a_network_that_found_nothing_gives_a_page_that_says_so(tmp_path):
    page = Page(render(RunFacts.read(write_run(tmp_path / "none", detections=[[]] * 6))))

    assert "no gain over drawing them" in page.text
    assert "0 of 18" in page.text


def test_validation_images_without_a_box_say_that_nothing_was_measured(tmp_path):
    run = write_run(tmp_path / "empty", annotate=False)

    page = Page(render(RunFacts.read(run)))

    assert "The validation images hold no object, so nothing could be measured." in page.text
    assert "nan" not in page.text.split()


def test_without_mistakes_there_is_no_worst_image(tmp_path):
    labels = ("cat", "dog")
    everything = [found(labels, 0, (10.0, 10.0, 30.0, 50.0))]
    everything += [found(labels, 1, (float(x), 10.0, float(x + 20), 50.0)) for x in (60, 110)]

    page = Page(render(RunFacts.read(write_run(tmp_path / "best", labels, detections=[everything] * 6))))

    assert "There is nothing to correct on any of the 6 validation images." in page.text
    assert page.all("img") == []
    assert "cannot tell" in page.text  # an interval without width is none


def test_every_loss_of_the_metrics_is_drawn(run):
    run.metrics.write_text(run.metrics.read_text().replace("class_loss,box_loss", "proposal_class_loss,roi_box_loss"))

    text = render(RunFacts.read(run))

    assert ">proposal class</text>" in text and ">roi box</text>" in text


@pytest.mark.parametrize(("seconds", "unit"), [(9_000, "seconds"), (36_000, "minutes"), (700_000, "hours")])
def test_the_axis_of_seconds_has_numbers_of_four_digits_at_most(seconds, unit):
    sweep = ThresholdSweep(np.array([0.95, 0.5, 0.1]), np.array([seconds, seconds / 3]))

    text = plots.seconds_by_threshold(sweep, 0.3, name="one")

    assert f">{unit}</text>" in text
    assert not re.search(r">\d{5,}</text>", text)


STAGES = StageTimes(1.0, 2.0, 30.0, 4.0, images=6, device="CPU <test>")


def write_measurements(run, **scores):
    difference = {"detections": 12, "unmatched": 0, "beyond_tolerance": 0, "largest_box": 0.0012, "largest_score": 1e-6}
    write_json(
        run.measurements,
        {
            "stages": STAGES.to_json(),
            "machine": {"processor": "a processor", "cores": 2},
            "parity": {"images": 6, "difference": difference, "only_noise": True, **scores},
        },
    )


def test_a_run_of_an_earlier_release_has_no_map_of_its_forms(run):
    write_measurements(run, map50={"exported SavedModel": 0.75})

    assert "exported SavedModel 0.7500 \N{EN DASH}" in Page(render(RunFacts.read(run))).text


def test_what_was_measured_is_shown(run):
    write_measurements(run, map50={"exported SavedModel": 0.75}, mean_ap={"exported SavedModel": 0.375})
    parity = {"images": 6, "boxes": 18, "scores": {"ir": {"map50": 0.5, "mean_ap": 0.25}}, "differences": {}}
    function = BuiltFunction("pets", parity, dataclasses.replace(STAGES, inference=7.5), Postprocess(0.1, (0.1, 0.1)))

    text = Page(render(RunFacts.read(run), function)).text

    assert "SavedModel (CPU <test>) 1.0 2.0 30.0 4.0 37.0 6" in text
    assert "function pets (CPU <test>) 1.0 2.0 7.5 4.0 14.5 6" in text
    assert "finds the same objects as the trained network: 0 of 12 detections unmatched" in text
    assert "exported SavedModel 0.7500 0.3750" in text
    assert "IR as built 0.5000 0.2500" in text
    assert "Its thresholds are not those of this page" in text


def test_outlines_have_their_own_work_and_a_run_of_boxes_does_not_speak_of_them(tmp_path, page):
    text = Page(render(RunFacts.read(write_run(tmp_path / "round", outlines=True)))).text

    # Two of three objects of each image were drawn with an outline; on five images a box is missed, on one a false
    # ellipse is shown, and one is loose.
    assert "for the objects of the 6 validation images" in text
    assert "18 objects, 12 with an outline" in text
    assert "adjust_outline: fix a part of a loose outline 1 24.0 24" in text
    assert "draw: draw a missed box 5 25.0 125" in text
    assert "draw_outline: draw a missed outline 0 79.0 0" in text
    assert "Drawing from nothing 18 25.0 or 79.0 1098" in text  # 6 x 25 + 12 x 79
    assert "An object that was annotated with an outline is compared by its mask." in text
    assert "outline" not in page.text and "mask" not in page.text


def test_a_run_of_outlines_alone_does_not_speak_of_loose_boxes(tmp_path):
    facts = RunFacts.read(write_run(tmp_path / "round", outlines=True))
    images = [
        dataclasses.replace(image, boxes=image.boxes[:2], class_ids=image.class_ids[:2], masks=image.masks[:2])
        for image in facts.truth.images
    ]
    text = Page(render(dataclasses.replace(facts, truth=dataclasses.replace(facts.truth, images=tuple(images))))).text

    assert "loose box" not in text and "missed box" not in text
    assert "Drawing from nothing 12 79.0 948" in text


def test_sizes_have_the_seconds_of_their_corrections(page):
    # All objects are 20 x 40, so small in the input: all of the 165 s, see above.
    assert "small (below 32 px) 18" in page.text
    assert re.search(r"small \(below 32 px\) 18 11 1 1 5 1 165 ", page.text)


def test_tiles_are_shown_with_what_they_gain_and_take(tmp_path):
    facts = RunFacts.read(write_run(tmp_path / "pets"))
    why = "2 x 2 tiles are not used, they gain too little: mAP50 0.901, mAP 0.5 …"
    manifest = dataclasses.replace(facts.manifest, provenance={**facts.manifest.provenance, "tiles": {"why": why}})

    assert why in Page(render(dataclasses.replace(facts, manifest=manifest))).text
    assert "tiles are" not in Page(render(facts)).text


def test_the_command_has_the_requested_arguments(page):
    assert "preannotate train cats.zip --model ssd-mobilenet-v2 --base-model none --arguments epochs=3" in page.text


def test_writing_leaves_the_page_and_nothing_else(run, tmp_path):
    before = {path.name for path in run.path.iterdir()}

    assert write(run) == run.report
    assert {path.name for path in run.path.iterdir()} == before | {"report.html"}
    assert write(run, output=tmp_path / "there.html").read_text() == run.report.read_text()


def test_an_unfinished_run_is_one_sentence(run):
    (run.export / "model.json").unlink()
    sentence = (
        f"{run.path}: no export/model.json; expected a finished run. "
        f"Train to the end, or: preannotate train --resume {run.path}"
    )

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        write(run)


def test_a_damaged_file_is_one_sentence(run):
    run.summary.write_text("{")

    with pytest.raises(TrainingError, match=r"summary\.json: not JSON .*; expected a complete JSON file\."):
        write(run)
