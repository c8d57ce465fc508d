"""Whether CVAT runs the model that was published: with the real `serve` behind the stand-in."""

import re
from dataclasses import replace

import numpy as np
import pytest
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask
from support.pipeline import red, write_function

from evaluation.ground_truth import filled_box
from evaluation.polygon_filling import polygon_mask
from preannotate.cvat.connection import connect
from preannotate.cvat.errors import CvatError
from preannotate.cvat.functions import FoundShape, Functions
from preannotate.cvat.login import Login
from preannotate.pipeline.errors import PipelineError
from preannotate.pipeline.verification import Verifier, boxes_match
from runtime.detector import Detection
from runtime.masks import InstanceMask
from runtime.polygons import polygon


def pets(first=0, count=4, **more):
    """Frames, of which those from `first` on have a red box."""
    images = [(f"{i}.png", red((i, 8, i + 20, 40) if i >= first else None, grey=i)) for i in range(count)]
    labels = [FakeLabel(7, "cat", "rectangle"), FakeLabel(8, "dog")]
    return FakeTask(**({"id": 12, "images": images, "labels": labels, "jobs": [FakeJob(40, 0, count - 1)]} | more))


@pytest.fixture
def make(served, workspace):
    """A verifier of a function, and what it said."""

    def make(cvat, directory, seconds=30.0):
        cvat.functions.dashboard = cvat.functions.dashboard or served[1]
        server = connect(Login(url=cvat.url))
        said = []
        functions = Functions(server)
        return Verifier(server, functions, directory, seconds=seconds, detail=said.append), said

    return make


@pytest.mark.slow
def test_the_function_that_cvat_runs_is_the_published_one(cvat, make, served):
    cvat.add(pets(first=2))
    name = f"seen-{'new' if cvat.new else 'old'}"
    verifier, said = make(cvat, write_function(served[0], name))

    found = verifier.verify(12)

    assert found.summary == f"CVAT lists {name}; on frame 2 of task 12 it returns 1 box, as expected"
    assert re.fullmatch(rf"CVAT does not list {name} yet; waiting up to \d+ s", said[0])


@pytest.mark.slow
def test_another_model_of_that_name_is_not_taken_for_it(newest, make, served, tmp_path):
    newest.add(pets())
    write_function(served[0], "other", shift=9)
    mine = write_function(tmp_path, "other")
    make(newest, served[0] / "other")[0].verify(12)

    with pytest.raises(PipelineError) as caught:
        make(newest, mine, seconds=0.5)[0].verify(12)

    assert str(caught.value) == (
        f"{newest.url}: other returns other boxes on frame 0 of task 12 than {mine}, after 0.5 s; expected the same: "
        f"CVAT runs another model. Check which folder `preannotate serve` watches, or deploy again."
    )


@pytest.mark.slow
def test_one_with_other_labels_is_not_either(newest, make, served, tmp_path):
    newest.add(pets())
    write_function(served[0], "odd", labels=("cat", "cow"))
    make(newest, served[0] / "odd")[0].listed()
    mine = write_function(tmp_path, "odd")

    with pytest.raises(PipelineError) as caught:
        make(newest, mine, seconds=0)[0].verify(12)

    assert str(caught.value) == (
        f"{newest.url}: odd is a detector with the labels cat, cow after 0 s; expected a detector with cat, dog. "
        f"Another function has that name: give the model another name, or remove that function."
    )


@pytest.mark.slow
def test_classes_that_were_renamed_by_hand(newest, make, served):
    newest.add(pets(labels=[FakeLabel(7, "Katze", "rectangle")]))
    directory = write_function(served[0], "renamed")
    path = directory / "nuclio" / "function.yaml"
    path.write_text(path.read_text().replace('"name": "cat"', '"name": "Katze"'))

    found = make(newest, directory)[0].verify(12)

    assert found.boxes == 1
    assert found.notes == ("task 12 has no label 'dog': its boxes are left out.",)


@pytest.mark.slow
def test_a_task_on_which_nothing_is_found(newest, make, served):
    newest.add(pets(first=99, count=20))
    verifier, _ = make(newest, write_function(served[0], "blind"))

    assert verifier.verify(12).summary == "CVAT lists blind; on frame 0 of task 12 it returns 0 boxes, as expected"


@pytest.mark.slow
def test_a_function_that_is_not_sure_enough_is_asked_at_a_lower_threshold(newest, make, served, tmp_path):
    newest.add(pets())
    verifier, _ = make(newest, write_function(served[0], "shy", threshold=0.95))
    other, _ = make(newest, write_function(tmp_path, "shy", threshold=0.95, shift=10), seconds=0.0)

    assert verifier.verify(12).summary == "CVAT lists shy; on frame 0 of task 12 it returns 1 box, as expected"
    with pytest.raises(PipelineError, match=r"^.*: shy returns other boxes on frame 0 of task 12 than"):
        other.verify(12)


@pytest.mark.slow
def test_a_task_whose_labels_take_no_boxes(newest, make, served):
    newest.add(pets(labels=[FakeLabel(7, "cat", "polygon")]))
    verifier, _ = make(newest, write_function(served[0], "square"))

    found = verifier.verify(12)

    assert found.summary == "CVAT lists square; not called, because task 12 accepts none of its labels"
    assert found.notes == (
        "task 12: none of the function's labels (cat, dog) is one of its labels for rectangles (it has none); expected "
        "the same names. Rename them in the task or in function.yaml.",
    )


@pytest.mark.slow
def test_a_task_whose_images_cannot_be_read(newest, make, served):
    newest.add(pets())
    verifier, _ = make(newest, write_function(served[0], "torn"))
    newest.fail("/api/tasks/12/data/?", "garbage")

    with pytest.raises(PipelineError) as caught:
        verifier.verify(12)

    assert str(caught.value) == ("task 12: none of 4 frames can be read; expected images. Check them in CVAT.")


def test_a_function_that_is_not_listed(cvat, make, tmp_path):
    cvat.add(pets())
    mine = write_function(tmp_path, "nowhere")

    with pytest.raises(CvatError) as caught:
        make(cvat, mine, seconds=0.3)[0].verify(12)

    assert re.sub(r"listed: [a-z, -]+", "listed: none", str(caught.value)) == (
        f"{cvat.url}: nowhere is not listed after 0.3 s; expected it among the functions (listed: none). "
        f"Is `preannotate serve {tmp_path}` running where CVAT looks for nuclio (CVAT_SERVERLESS=1, CVAT_NUCLIO_HOST "
        f"and CVAT_NUCLIO_PORT of cvat_server and cvat_worker_annotation)? A nuclio of its own needs the function in "
        f"project cvat. The function stays published; the same command verifies again."
    )


@pytest.mark.slow
def test_a_serve_that_is_not_there_yet_is_waited_for(newest, make, tmp_path, served):
    newest.add(pets())
    newest.functions.dashboard, free = "http://127.0.0.1:9", newest.functions
    verifier, said = make(newest, write_function(served[0], "late"))
    verifier._detail = lambda line: (said.append(line), setattr(free, "dashboard", served[1]))

    assert verifier.verify(12).boxes == 1
    assert re.fullmatch(r"CVAT responds with 503; waiting up to \d+ s", said[0])


def test_a_cvat_without_its_serverless_part(newest, make, tmp_path):
    newest.functions.switched_on = False

    with pytest.raises(CvatError) as caught:
        make(newest, write_function(tmp_path, "nowhere"))[0].verify(12)

    assert str(caught.value) == (
        f"{newest.url}: its serverless functions are switched off, so it has no Models page; expected "
        f"CVAT_SERVERLESS=1. Set it for cvat_server, with CVAT_NUCLIO_HOST and CVAT_NUCLIO_PORT, and restart CVAT; "
        f"the function stays published, and the same command continues."
    )


CAT, DOG = Detection("cat", 0, 0.9, (10, 10, 30, 30)), Detection("dog", 1, 0.9, (10, 10, 30, 30))


@pytest.mark.parametrize(
    ("expected", "found", "equal"),
    [
        ([], [], True),
        ([CAT, DOG], [FoundShape("dog", (10, 10, 30, 30)), FoundShape("cat", (10.2, 10, 30, 30))], True),
        ([CAT], [FoundShape("dog", (10, 10, 30, 30))], False),
        ([CAT], [FoundShape("cat", (12, 10, 32, 30))], False),  # 18 / 22 of the pixels
        ([CAT], [], False),
        ([], [FoundShape("cat", (10, 10, 30, 30))], False),
        ([CAT, CAT], [FoundShape("cat", (10, 10, 30, 30))], False),
    ],
)
def test_boxes_are_the_same_by_label_and_place(expected, found, equal):
    assert boxes_match(expected, found) is equal


def test_masks_and_polygons_are_compared_by_their_pixels():
    # Two parts inside of a larger box: of 4 x 4 pixels and, the polygon, of 9 x 9.
    bitmap = np.zeros((20, 20))
    bitmap[:4, :4] = bitmap[9:18, 5:14] = 1
    mask = InstanceMask.from_bitmap(bitmap, 10, 10)
    larger_part = InstanceMask.from_bitmap(np.ones((9, 9)), 15, 19)
    triangle = InstanceMask.from_bitmap(np.tri(9), 15, 19)
    expected = [replace(CAT, mask=mask)]

    assert boxes_match(expected, [FoundShape("cat", mask.box, "mask", mask)])
    assert boxes_match(expected, [FoundShape("cat", larger_part.box, "polygon", larger_part)])
    assert boxes_match(expected, [FoundShape("cat", CAT.box)])
    # Other pixels in the same box, and none at all.
    assert not boxes_match(expected, [FoundShape("cat", mask.box, "mask", filled_box(mask.box))])
    assert not boxes_match(expected, [FoundShape("cat", triangle.box, "polygon", triangle)])
    assert not boxes_match(expected, [FoundShape("cat", larger_part.box, "polygon")])


def test_a_few_pixels_of_a_tiny_mask_may_turn():
    tiny, smaller = (InstanceMask.from_bitmap(np.ones((3, width)), 10, 10) for width in (4, 3))

    assert boxes_match([replace(CAT, mask=tiny)], [FoundShape("cat", smaller.box, "mask", smaller)])  # 9 of 12 pixels


def test_tiny_masks_at_other_places_are_others():
    two, elsewhere = (InstanceMask.from_bitmap(np.ones((1, 2)), left, 10) for left in (10, 50))

    assert not boxes_match([replace(CAT, mask=two)], [FoundShape("cat", elsewhere.box, "mask", elsewhere)])


def test_a_polygon_without_the_centre_of_a_pixel_is_found_at_its_place():
    mask = InstanceMask.from_bitmap([[1, 1, 0], [0, 0, 1], [1, 0, 1]], 10, 10)
    points = polygon(mask)
    assert polygon_mask(points) is None
    box = (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())

    assert boxes_match([replace(CAT, mask=mask)], [FoundShape("cat", box, "polygon")])
    assert not boxes_match([replace(CAT, mask=mask)], [FoundShape("cat", (90, 90, 92, 93), "polygon")])
