"""Change the seconds that corrections take: new thresholds for the export, its summary and its overlays."""

import dataclasses
from typing import Any

from evaluation import thresholds
from evaluation.corrections import CorrectionCosts
from preannotate.core.files import replacing, write_json
from runtime.manifest import FILE_NAME
from trainer.report.facts import COSTS_KEY, RunFacts
from trainer.report.pictures import write_overlays
from trainer.run_directory import RunDirectory


def criterion(costs: CorrectionCosts) -> dict[str, Any]:
    """Return how thresholds were chosen, for the provenance in `model.json`."""
    return {
        "threshold_criterion": "fewest seconds of correction on the validation images",
        COSTS_KEY: costs.to_json(),
    }


def change_costs(run: RunDirectory, costs: CorrectionCosts) -> tuple[float, ...]:
    """Choose the thresholds of a finished run again, and return that of each class.

    The network and its fingerprint stay as they are. Functions that were built before keep their thresholds.
    """
    facts = RunFacts.read(run)
    manifest, labels = facts.manifest, facts.truth.labels
    common, per_class = thresholds.choose_thresholds(labels, facts.truth.images, facts.detections, costs)
    cut = dataclasses.replace(manifest.postprocess, threshold=common, thresholds=per_class)
    changed = dataclasses.replace(manifest, postprocess=cut, provenance={**manifest.provenance, **criterion(costs)})
    with replacing(run.export / FILE_NAME) as temporary:
        changed.write(temporary)
    summary = {**facts.summary, "thresholds": dict(zip(labels, per_class, strict=True))}
    write_json(run.summary, summary)
    write_overlays(facts.truth, facts.detections, per_class, run.overlays)
    return per_class
