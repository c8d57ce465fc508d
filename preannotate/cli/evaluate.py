"""`preannotate evaluate`."""

import argparse
import json
from pathlib import Path

from preannotate.cli.arguments import add_images_file, add_json, add_negatives
from preannotate.cli.command import Command
from preannotate.core.text import format_score, format_scores, plural


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="RUN_OR_FUNCTION", help="runs/NAME or functions/NAME")
    parser.add_argument(
        "exports", type=Path, nargs="+", metavar="EXPORT", help="annotated images that the model was not trained on"
    )
    add_images_file(parser)
    parser.add_argument("--include-auto", action="store_true", help="treat automatic annotations as correct")
    add_negatives(parser)
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.model_evaluation.evaluate import detect_on_exports
    from trainer.request import read_image_names

    detections = detect_on_exports(
        arguments.model,
        arguments.exports,
        only=read_image_names(arguments.images),
        include_auto=arguments.include_auto,
        negatives=arguments.negatives,
    )
    scores, of_masks = detections.score(), detections.score_masks()
    if arguments.json:
        masks = {} if of_masks is None else {"masks": of_masks.to_json()}
        print(json.dumps({**scores.to_json(), **masks}, ensure_ascii=False))
        return 0
    print(
        f"{arguments.model}: {format_scores(scores.map50, scores.mean_ap)}, mAP75 {format_score(scores.map75)} "
        f"on {plural(scores.images, 'image')} with {plural(scores.boxes, 'box', 'boxes')}"
    )
    for label, ap50 in scores.ap50.items():
        print(f"  {label}: AP50 {format_score(ap50)}, AP {format_score(scores.ap[label])}")
    if of_masks is not None:
        print(
            f"masks: {format_scores(of_masks.map50, of_masks.mean_ap)}, mAP75 {format_score(of_masks.map75)} "
            f"with {plural(of_masks.boxes, 'annotated mask')}"
        )
        for label, ap50 in of_masks.ap50.items():
            print(f"  {label}: AP50 {format_score(ap50)}, AP {format_score(of_masks.ap[label])}")
    return 0


COMMAND = Command("evaluate", "measure COCO mAP on annotated images", _add_arguments, _run)
