"""Curves at the right places."""

from preannotate.studio.web.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, charts, sparkline


def test_a_curve_begins_at_the_left_and_ends_where_it_is():
    curve = [{"epoch": 1, "loss": 2.0, "map50": 0.0}, {"epoch": 2, "loss": 1.0, "map50": 1.0}]
    loss, accuracy = charts(curve, 3)
    middle, right = LEFT + (WIDTH - LEFT - RIGHT) / 2, WIDTH - RIGHT

    assert loss.lines[0].points == f"{LEFT:.1f},{TOP:.1f} {middle:.1f},{TOP + (HEIGHT - TOP - BOTTOM) / 2:.1f}"
    assert accuracy.lines[0].points == f"{LEFT:.1f},{HEIGHT - BOTTOM:.1f} {middle:.1f},{TOP:.1f}"
    assert [tick.text for tick in loss.along] == ["1", "2", "3"]
    assert loss.along[-1].at == right
    assert [tick.text for tick in loss.across] == ["0", "0.5", "1", "1.5", "2"]
    assert accuracy.summary == "Accuracy on validation images over 2 of 3 epochs; latest: mAP50 1.000."


def test_what_is_not_known_is_left_out():
    assert charts([], 10) == []
    assert charts([{"epoch": 1, "loss": None, "map50": None}], 10) == []
    assert charts([{"epoch": 1, "loss": float("nan"), "map50": 0.5}], 10)[0].title == "Accuracy on validation images"


def test_a_long_training_does_not_make_a_heavy_page():
    curve = [{"epoch": n, "loss": 1 / n, "map50": None} for n in range(1, 5001)]
    (loss,) = charts(curve, 5000)

    assert len(loss.lines[0].points.split()) < 300
    assert loss.lines[0].end[0] == WIDTH - RIGHT


def test_one_epoch_is_a_curve_too():
    assert charts([{"epoch": 1, "loss": 0.0, "map50": 0.1}], 1)[0].lines[0].last == "0.000"


def test_a_sparkline_rises_with_the_scores():
    first, last = (float(pair.split(",")[1]) for pair in sparkline([0.5, 0.9]).split())

    assert first > last
    assert sparkline([]) == ""
