from trainer.report.page import duration, fixed, percent


def test_numbers_for_people():
    nbsp = "\N{NO-BREAK SPACE}"
    assert [duration(s) for s in (0, 53.4, 119, 120, 425, 7800)] == [
        text.replace(" ", nbsp) for text in ("0 s", "53 s", "119 s", "2 min", "7 min 5 s", "2 h 10 min")
    ]
    assert [fixed(v) for v in (0.125, float("nan"), float("inf"), None)] == ["0.12", "–", "∞", "–"]  # noqa: RUF001
    assert [percent(v) for v in (0.5, 2.0, -1.0, float("nan"))] == ["50.0%", "100.0%", "0.0%", "0%"]
