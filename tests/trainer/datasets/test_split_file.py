import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from preannotate.formats.records import DatasetError
from trainer.datasets import Sample, read_split_file, split_samples


def sample(name, content=None):
    content = content or hashlib.sha256(name.encode()).hexdigest()
    box = np.array([[0, 0, 9, 9]], np.float32)
    return Sample(name, Path(name), content, (10, 10), box, np.array([0]), f"image:{content}")


SAMPLES = [sample(name) for name in ("a.jpg", "sub/b.png", "c.jpg", "v2.final.jpg")]


def sides(path, samples=SAMPLES):
    pinned = read_split_file(path, samples)
    return {sample.name: pinned[sample.content] for sample in samples if sample.content in pinned}


@pytest.mark.parametrize(
    "text",
    ["# mine\n\na.jpg\n  b  \n", "a\nsub/b.png", "a.png\nsub\\b.jpg", '["a.jpg", "b"]', '{"validation": ["a", "b"]}'],
)
def test_names_of_validation_images_leave_the_rest_to_training(tmp_path, text):
    (tmp_path / "split").write_text(text)

    assert sides(tmp_path / "split") == {
        "a.jpg": "validation",
        "sub/b.png": "validation",
        "c.jpg": "train",
        "v2.final.jpg": "train",
    }


def test_with_both_lists_the_rest_is_divided_as_usual(tmp_path):
    (tmp_path / "split.json").write_text(json.dumps({"train": ["a"], "validation": ["c", "v2.final"]}))
    pinned = read_split_file(tmp_path / "split.json", SAMPLES)
    division = split_samples(SAMPLES, pinned=pinned)

    assert len(pinned) == 3
    assert "a.jpg" in {s.name for s in division.train}
    assert {"c.jpg", "v2.final.jpg"} <= {s.name for s in division.validation}
    assert len(division.train) + len(division.validation) == 4


def test_what_a_person_chose_is_not_repaired(tmp_path):
    (tmp_path / "split.txt").write_text("a\nb\nc\n")
    division = split_samples(SAMPLES, pinned=read_split_file(tmp_path / "split.txt", SAMPLES))

    assert [s.name for s in division.train] == ["v2.final.jpg"]


FORM = 'a list of names or {"train": [names], "validation": [names]}'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "a\nx.jpg\ny\n",
            "split: 2 names of no image, the first 'x.jpg'; expected names of images in the export such as 'a.jpg'. "
            "Correct or remove them.",
        ),
        (
            '{"train": ["a"], "validation": ["a.jpg"]}',
            "split: 'a.jpg' is in train and in validation, by name or by content; expected each image in one subset. "
            "Remove it from one of them.",
        ),
        (
            '{"train": ["a"',
            "split: Expecting ',' delimiter: line 1 column 15 (char 14); expected " + FORM + ". Correct the file.",
        ),
        ('{"test": ["a"]}', "split: another form of JSON; expected " + FORM + ". Correct the file."),
        ('{"validation": "a"}', "split: another form of JSON; expected " + FORM + ". Correct the file."),
        ("[1]", "split: another form of JSON; expected " + FORM + ". Correct the file."),
    ],
)
def test_a_file_that_cannot_be_followed_is_explained(tmp_path, text, sentence):
    (tmp_path / "split").write_text(text)
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        read_split_file(tmp_path / "split", SAMPLES)


def test_copies_of_an_image_on_two_sides_are_refused(tmp_path):
    (tmp_path / "split").write_text('{"train": ["a"], "validation": ["copy"]}')
    with pytest.raises(DatasetError, match=re.escape("'a.jpg' is in train and in validation, by name or by content")):
        read_split_file(tmp_path / "split", [*SAMPLES, sample("copy.jpg", SAMPLES[0].content)])
