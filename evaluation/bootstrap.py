"""Confidence intervals of figures: bootstrap over images.

Images are drawn anew with replacement, as many as there are, and the figure is computed again; the middle 95 % of the
results are the interval. Images are what is drawn, because boxes of one image are not independent.
What never happened in these images cannot happen in a resample: with few boxes the truth is wider than the interval.

Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.average_precision import ClassMatches, average_precision

RESAMPLES = 1000
SEED = 0
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; all NaN where there is nothing to measure."""

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """Of the interval."""
        return self.high - self.low


@dataclass(frozen=True)
class PrecisionEstimates:
    """Average precision with intervals, over IoU 0.50:0.05:0.95 and at IoU 0.50: of all classes, and of each."""

    mean_ap: Estimate
    map50: Estimate
    ap: tuple[Estimate, ...]
    ap50: tuple[Estimate, ...]


def resamples(images: int) -> np.ndarray:
    """int64 (`RESAMPLES`, images): how often each image was drawn; the same at every call."""
    return np.random.default_rng(SEED).multinomial(images, np.full(images, 1 / images), size=RESAMPLES)


def estimate_precision(classes: Sequence[ClassMatches]) -> PrecisionEstimates:
    """Average precision of all classes on at least one image."""
    weights = resamples(len(classes[0].boxes))
    point = np.stack([average_precision(matches) for matches in classes])  # (K, 1, 10)
    drawn = np.stack([average_precision(matches, weights) for matches in classes])  # (K, R, 10)
    return PrecisionEstimates(
        mean_ap=_estimate(_mean(point, (0, 2)), _mean(drawn, (0, 2))),
        map50=_estimate(_mean(point[..., 0], 0), _mean(drawn[..., 0], 0)),
        ap=tuple(_estimate(*(values[k].mean(axis=1) for values in (point, drawn))) for k in range(len(classes))),
        ap50=tuple(_estimate(point[k, :, 0], drawn[k, :, 0]) for k in range(len(classes))),
    )


def estimate_ratio(numerators: np.ndarray, denominators: np.ndarray) -> Estimate:
    """The sum of one figure over that of another, each (I,) for the images; infinite where the latter is 0."""
    weights = resamples(len(numerators))
    with np.errstate(divide="ignore", invalid="ignore"):
        point = np.atleast_1d(numerators.sum() / denominators.sum())
        drawn = (weights @ numerators) / (weights @ denominators)
    return _estimate(point, drawn)


def _mean(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Over classes that have boxes; NaN if none has."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=axis) / known.sum(axis=axis)


def _estimate(point: np.ndarray, drawn: np.ndarray) -> Estimate:
    ordered = np.sort(drawn[~np.isnan(drawn)])
    if not ordered.size:
        return Estimate(float(point[0]), np.nan, np.nan)
    left_out = round((1 - CONFIDENCE) / 2 * (len(ordered) - 1))  # at each end
    return Estimate(float(point[0]), float(ordered[left_out]), float(ordered[-1 - left_out]))
