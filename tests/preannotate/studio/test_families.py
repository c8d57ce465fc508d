"""`families.json` says what the trainer's models say."""

import json

import pytest

from preannotate.studio.families import FILE, describe_families, families


@pytest.mark.slow
def test_it_is_fresh():
    pytest.importorskip("tensorflow")

    assert json.loads(FILE.read_text(encoding="utf-8")) == describe_families(), (
        "run python -m preannotate.studio.families"
    )


def test_weights_at_hand(tmp_path):
    family = families()["ssd-mobilenet-v2"]
    assert not family.at_hand(tmp_path)
    (tmp_path / family.file).touch()
    assert family.at_hand(tmp_path)
