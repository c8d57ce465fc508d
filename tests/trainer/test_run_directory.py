import pytest

from trainer.run_directory import RunDirectory


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ([], "absent"),
        (["checkpoints/", "log.txt", "data/"], "begun"),
        # Not what a run leaves: nobody may clear it away.
        (["checkpoints/", "thesis.tex"], "absent"),
        (["config.json", "checkpoints/epoch-00001/", "metrics.csv"], "interrupted"),
        (["config.json", "checkpoints/epoch-00001/", "summary.json"], "finished"),
    ],
)
def test_how_far_a_run_came_shows_in_its_folder(tmp_path, files, state):
    for name in files:
        path = tmp_path / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.touch()

    assert RunDirectory(tmp_path).state == state
