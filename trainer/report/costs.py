"""Change the seconds that corrections take: new thresholds for the export, its summary and its overlays."""

import dataclasses
from typing import Any

from evaluation.corrections import CorrectionCosts
from evaluation.postprocess import SUPPRESSION_KEY, choose_postprocess
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
    """Choose thresholds and suppression of a finished run again, and return the threshold of each class.

    The network and its fingerprint stay as they are. Functions that were built before keep their thresholds.
    """
    facts = RunFacts.read(run)
    manifest, labels = facts.manifest, facts.truth.labels
    choice = choose_postprocess(
        labels, facts.truth.images, facts.detections, costs, iou_threshold=manifest.postprocess.iou_threshold
    )
    cut, per_class = choice.postprocess, choice.postprocess.thresholds
    provenance = {**manifest.provenance, **criterion(costs), SUPPRESSION_KEY: choice.to_json()}
    changed = dataclasses.replace(manifest, postprocess=cut, provenance=provenance)
    with replacing(run.export / FILE_NAME) as temporary:
        changed.write(temporary)
    summary = {**facts.summary, "thresholds": dict(zip(labels, per_class, strict=True))}
    write_json(run.summary, summary)
    write_overlays(facts.truth, facts.detections, cut, run.overlays)
    return per_class
