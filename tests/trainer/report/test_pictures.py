import base64
import io

from PIL import Image

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


def test_only_so_many_are_shown(tmp_path):
    names = [f"image {number}" for number in range(LIMIT + 5)]

    assert len(pictures_of(write_run(tmp_path / "many", names=names))) == LIMIT
