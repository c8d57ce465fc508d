import hashlib
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preannotate.formats.records import DatasetError
from trainer.datasets import Sample, split_samples
from trainer.datasets.split import FRACTION, Split, without_unreviewed


def sample(key, *classes, group=None, frame=None):
    content = hashlib.sha256(str(key).encode()).hexdigest()
    return Sample(
        name=f"{key}.jpg",
        image=Path(f"{content}.jpg"),
        content=content,
        image_size=(100, 100),
        boxes=np.tile(np.array([[10, 10, 50, 50]], np.float32), (len(classes), 1)),
        class_ids=np.array(classes, np.int64),
        group=group or f"image:{content}",
        frame=frame,
    )


def below_fraction(member):
    digest = hashlib.sha256(member.content.encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48 < FRACTION


def classes_of(samples):
    return {class_id for member in samples for class_id in member.class_ids.tolist()}


def random_samples(seed, count, classes=3):
    generator = random.Random(seed)
    return [sample(f"{seed}/{i}", *generator.sample(range(classes), generator.randint(1, 2))) for i in range(count)]


@pytest.mark.parametrize("seed", range(40))
def test_each_image_is_on_one_side_and_each_class_on_both(seed):
    samples = random_samples(seed, 10 + seed)
    division = split_samples(samples)

    assert sorted(s.name for s in division.train + division.validation) == sorted(s.name for s in samples)
    assert division.train and division.validation
    assert classes_of(division.train) == classes_of(division.validation) == classes_of(samples)
    assert division.notes == ()


@pytest.mark.parametrize("seed", range(20))
def test_adding_images_never_moves_an_old_one_from_validation_to_training(seed):
    """The rule without memory: whatever the hash alone put into validation stays there."""
    samples = random_samples(seed, 300)
    before = split_samples(samples[:150])
    after = split_samples(samples)

    assert {s.name for s in before.validation} <= {s.name for s in after.validation}


@pytest.mark.parametrize("seed", range(40))
def test_small_sets_keep_what_the_hash_chose_and_keep_all_of_it_with_memory(seed):
    samples = random_samples(seed, 30)
    before = split_samples(samples[:10])
    after = split_samples(samples)
    pinned = split_samples(samples, pinned=before.subsets())

    chosen_by_hash = {s.name for s in before.validation if below_fraction(s)}
    assert chosen_by_hash <= {s.name for s in after.validation}
    assert {s.name for s in before.validation} <= {s.name for s in pinned.validation}
    assert {s.name for s in before.train} <= {s.name for s in pinned.train}


def test_the_order_of_the_images_does_not_matter():
    samples = random_samples(1, 60)
    shuffled = random.Random(2).sample(samples, len(samples))

    assert split_samples(samples).subsets() == split_samples(shuffled).subsets()


def test_about_the_asked_part_goes_to_validation():
    samples = [sample(index, 0) for index in range(1000)]

    assert 120 <= len(split_samples(samples, fraction=0.15).validation) <= 180
    assert 260 <= len(split_samples(samples, fraction=0.3).validation) <= 340


def test_equal_content_stays_together():
    samples = [sample(index // 2, index % 2) for index in range(40)]
    division = split_samples(samples)

    assert not {s.content for s in division.train} & {s.content for s in division.validation}


def test_videos_stay_together():
    samples = [sample(f"{v}/{i}", 0, group=f"video:{v}", frame=i) for v in range(12) for i in range(20)]
    division = split_samples(samples)

    assert not {s.group for s in division.train} & {s.group for s in division.validation}
    assert division.train and division.validation


def test_videos_that_share_an_image_stay_together():
    samples = [sample(f"{v}/{i}", 0, group=f"video:{v}", frame=i) for v in range(12) for i in range(5)]
    shared = [sample("shared", 0, group=f"video:{v}", frame=9) for v in range(0, 12, 2)]
    division = split_samples(samples + shared)

    sides = {s.group: side for side in ("train", "validation") for s in getattr(division, side)}
    assert len({sides[f"video:{v}"] for v in range(0, 12, 2)}) == 1


def test_a_lone_video_is_cut_into_blocks_of_neighbours():
    samples = [sample(i, 0, group="video:x", frame=i) for i in range(60)]
    division = split_samples(samples)

    blocks = {s.frame // 10 for s in division.validation}
    assert not blocks & {s.frame // 10 for s in division.train}
    assert division.notes == (
        "60 of 60 images are one video, which was cut into blocks of 10 frames: "
        "validation images resemble training images, and mAP on another video will be lower.",
    )


def test_a_class_of_one_image_is_reported():
    division = split_samples([sample(i, 0) for i in range(20)] + [sample("rare", 1)])

    side = "train" if "rare.jpg" in {s.name for s in division.validation} else "validation"
    assert division.notes == (f"1 of 2 classes have no image in {side}.",)


def test_new_frames_follow_their_pinned_video():
    old = [sample(f"{v}/{i}", 0, group=f"video:{v}", frame=i) for v in range(6) for i in range(4)]
    new = [sample(f"{v}/{i}", 0, group=f"video:{v}", frame=i) for v in range(6) for i in range(4, 8)]
    before = split_samples(old)
    after = split_samples(old + new, pinned=before.subsets())

    assert {s.group for s in after.validation} == {s.group for s in before.validation}


def test_one_image_cannot_be_divided():
    sentence = (
        "split: no image of 1 for validation; expected some in each subset. "
        "Annotate more images, or name fewer in --split-file."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        split_samples([sample("a", 0)], fraction=1e-9)


def test_images_with_unreviewed_boxes_are_left_out_of_validation():
    sure, unsure = sample("a", 0), replace(sample("b", 0), ignored=np.float32([[1, 2, 3, 4]]))
    why = "validation images have shapes that were left out"

    assert without_unreviewed(Split((unsure,), (sure,))) == Split((unsure,), (sure,))
    assert without_unreviewed(Split((sure,), (sure, unsure), ("a note.",))) == Split(
        (sure,), (sure,), ("a note.", f"1 of 2 {why}: they are left out of validation.")
    )
    assert without_unreviewed(Split((sure,), (unsure,))) == Split(
        (sure,), (unsure,), (f"1 of 1 {why}: detections there count as false positives. Correct them in CVAT.",)
    )
