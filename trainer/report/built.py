"""A function that was built from the run, if the page is to show its proof and its speed too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evaluation.speed import Stages
from runtime.manifest import Postprocess


@dataclass(frozen=True)
class BuiltFunction:
    """What the page says about a function directory.

    Attributes:
        name: Of the function.
        parity: The content of its `parity.json`.
        stages: Its speed on this machine; None if its engine is not installed.
        postprocess: Its thresholds, which may be older than those of the run.

    """

    name: str
    parity: Mapping[str, Any]
    stages: Stages | None
    postprocess: Postprocess
