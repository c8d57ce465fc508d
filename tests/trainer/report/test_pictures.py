import base64
import io

import numpy as np
from PIL import Image

from evaluation.drawing import Style
from runtime.detector import Detection
from tests.trainer.report.finished_run import write_run
from trainer.report.facts import RunFacts
from trainer.report.figures import Figures
from trainer.report.pictures import LIMIT, LONGEST_SIDE, worst


def pictures_of(run):
    facts = RunFacts.read(run)
    return worst(facts, Figures.of(facts).by_image)


def test_the_image_that_costs_most_comes_first_and_one_without_fault_does_not_come(run):
    pictures = pictures_of(run)

    assert [picture.name for picture in pictures] == ["b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg"]
    assert pictures[0].seconds == 8 + 4 + 3 + 25  # loose, wrong label, false, missed
    assert pictures[1].remarks == ("missed dog",)
    assert pictures[1].right == 2


def test_every_fault_has_its_remark(run):
    remarks = pictures_of(run)[0].remarks

    assert remarks == (
        "loose cat, overlap 0.60",
        "cat should be dog",
        "false cat, score 0.90",
        "missed dog",
    )


def test_pictures_are_jpegs_of_one_size_with_lines_in_their_colours(run):
    picture = pictures_of(run)[0]

    head, _, data = picture.source.partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert head == "data:image/jpeg;base64"
    assert image.size == picture.size == (LONGEST_SIDE, LONGEST_SIDE // 2)
    red, _, blue = image.getpixel((round(170 * 3.6) + 1, round(30 * 3.6)))  # the false box's left side
    assert red > 150 and blue < 80


def decoded(picture):
    return Image.open(io.BytesIO(base64.b64decode(picture.source.partition(",")[2])))


def test_what_has_a_mask_is_drawn_as_its_outline(tmp_path):
    picture = decoded(pictures_of(write_run(tmp_path / "round", outlines=True))[0])

    def is_orange(x, y):
        red, _, blue = picture.getpixel((round(x * 3.6), round(y * 3.6)))
        return red > 150 and blue < 80

    # The false ellipse in (170, 10) to (190, 50): its leftmost point, and the corner of its box.
    assert any(is_orange(170 + dx / 4, 30) for dx in range(-4, 5))
    assert not any(is_orange(170 + dx / 4, 48) for dx in range(-4, 5))


def test_crowded_faults_have_numbers_alone_so_that_they_stay_beside_their_objects(tmp_path):
    crowd = [Detection("cat", 0, 0.9, (float(x), 60.0, x + 8.0, 68.0)) for x in range(4, 190, 12)]
    crowded, alone = (
        np.asarray(decoded(pictures_of(write_run(tmp_path / name, names=["a"], detections=[found]))[0]), int)
        for name, found in (("crowd", crowd), ("alone", crowd[:1]))
    )

    def orange(pixels):
        red, _, blue = np.moveaxis(pixels, -1, 0)
        return (red > 170) & (blue < 60)

    style = Style.fitting((LONGEST_SIDE, LONGEST_SIDE // 2), ())
    above = slice(round(60 * 3.6) - style.tag_height, round(60 * 3.6) - 3)
    assert not orange(crowded)[: above.start - 2].any()  # none is moved up
    # The plate of one number is narrower than that of a number and a word.
    first = slice(0, round(15 * 3.6))
    assert 0 < orange(crowded)[above, first].sum() < orange(alone)[above, : round(40 * 3.6)].sum()


def test_only_so_many_are_shown(tmp_path):
    names = [f"image {number}" for number in range(LIMIT + 5)]

    assert len(pictures_of(write_run(tmp_path / "many", names=names))) == LIMIT
