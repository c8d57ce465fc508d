from pathlib import Path

import pytest

from trainer.arguments.listing import tables
from trainer.models import MODELS

PAGE = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("heading", tables(MODELS))
def test_the_documentation_holds_the_table_that_the_code_prints(heading):
    assert tables(MODELS)[heading].markdown() in PAGE, "paste what `preannotate arguments --markdown` prints"


def test_models_that_show_equally_many_images_share_a_row():
    epochs = list(tables(MODELS).values())[-1]

    assert sum(len(row[0].split(", ")) for row in epochs.rows) == 2 * len(MODELS)
