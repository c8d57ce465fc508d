"""The rows of `metrics.csv`: what was measured of each epoch."""

MetricsRow = dict[str, float | None]


def decisive_ap(row: MetricsRow) -> float | None:
    """Return the mAP that weights are kept by: of what labels are answered with, `ValidationScores.decisive`."""
    of_answers = row.get("answer_mean_ap")
    return row["mean_ap"] if of_answers is None else of_answers
