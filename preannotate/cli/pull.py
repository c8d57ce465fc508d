"""`preannotate pull`."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preannotate.cli.arguments import add_json, add_login, add_pull_rules, add_sources, cvat_server
from preannotate.cli.command import Command
from preannotate.core.errors import UsageError
from preannotate.core.text import plural

if TYPE_CHECKING:  # it needs cvat-sdk, which may be missing
    from preannotate.cvat.pull import PullResult


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_sources(parser)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="new folder, or that of an earlier pull to update"
    )
    add_pull_rules(parser)
    parser.add_argument(
        "--unlabelled", type=int, default=0, metavar="N", help="also download up to N frames without annotations, for "
        "`train --unlabelled` (default: 0)"
    )  # fmt: skip
    add_json(parser)
    add_login(parser)


def _run(arguments: argparse.Namespace) -> int:
    if not (arguments.task or arguments.project or arguments.job):
        raise UsageError("pull: no source; expected --task, --project or --job with an ID.")
    with cvat_server(arguments) as server:
        from preannotate.cvat.pull import pull
        from preannotate.cvat.selection import FrameSelectionRules, PullScope

        pulled = pull(
            server,
            PullScope(tuple(arguments.task), tuple(arguments.project), tuple(arguments.job)),
            arguments.output,
            rules=FrameSelectionRules(arguments.completed_jobs, arguments.include_auto, arguments.accept_completed),
            max_unlabelled=max(arguments.unlabelled, 0),
        )
    if arguments.json:
        print(json.dumps(pulled.source, ensure_ascii=False, indent=1))
    else:
        print(_summary(pulled, arguments.output))
    return 0


def _summary(pulled: "PullResult", output: Path) -> str:
    source = pulled.source
    completed = sum(job["state"] == "completed" for job in source["jobs"])
    lines = [
        f"{source['server']}, CVAT {source['version']}: {plural(len(source['tasks']), 'task')}, "
        f"{plural(len(source['jobs']), 'job')} ({completed} completed)",
        f"for training: {_frames(source['training'])}",
    ]
    held_out = any(source["validation"].values())
    if held_out:
        lines.append(f"for validation, from ground-truth jobs: {_frames(source['validation'])}")
    if source["unlabelled"]:
        lines.append(f"for self-training: {plural(source['unlabelled'], 'frame')} without annotations")
    lines += [f"left out: {plural(count, 'frame')} {reason}" for reason, count in source["left_out"].items()]
    if source["untouched_shapes"]:
        lines.append(
            f"{plural(source['untouched_shapes'], 'automatic annotation')} that nobody changed: training leaves them "
            f"out without --include-auto or, in completed jobs, --accept-completed"
        )
    lines.append(f"labels: {', '.join(label['name'] for label in source['labels'])}")
    lines += [f"note: {note}" for note in source["notes"]]
    total = sum(source["training"].values()) + sum(source["validation"].values()) + source["unlabelled"]
    lines.append(f"{plural(pulled.downloaded, 'image')} downloaded, {total - pulled.downloaded} existed already")
    lines.append(f"next: {_next_command(source, output, held_out)}")
    return "\n".join(lines)


def _next_command(source: dict[str, Any], output: Path, held_out: bool) -> str:
    negatives = source["training"]["negatives"] + source["validation"]["negatives"]
    options = [
        " --negatives" if negatives else "",
        " --include-auto" if source["options"]["include_auto"] else "",
        f" --validation {output / 'validation'}" if held_out else "",
        f" --unlabelled {output / 'unlabelled'}" if source["unlabelled"] else "",
    ]
    return f"preannotate train {output}{''.join(options)}"


def _frames(counts: dict[str, int]) -> str:
    return f"{plural(counts['annotated'], 'annotated frame')}, {counts['negatives']} without objects"


COMMAND = Command("pull", "download annotated frames from CVAT", _add_arguments, _run)
