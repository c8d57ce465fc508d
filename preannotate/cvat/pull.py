"""The recipe of a pull: plan, select, download, write."""

import functools
import itertools
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from preannotate.core.files import write_json
from preannotate.cvat.dataset_folder import IMAGES, SOURCE, PullFolder, describe_pull
from preannotate.cvat.errors import CvatError
from preannotate.cvat.images import WantedImage, download_images, find_downloaded, image_file_names
from preannotate.cvat.selection import (
    BROKEN,
    FrameSelection,
    FrameSelectionRules,
    PullPlan,
    PullScope,
    SelectedFrame,
    plan_pull,
    select_frames,
    used_jobs,
)
from preannotate.cvat.server import Server
from preannotate.cvat.shapes import shapes_of_frames
from preannotate.formats.cvat_images import write_tasks
from preannotate.formats.cvat_xml import CvatTask
from preannotate.formats.records import Frame


@dataclass(frozen=True)
class PullResult:
    """The content of `source.json`, and the number of images that were not there already."""

    source: dict[str, Any]
    downloaded: int


def pull(
    server: Server,
    scope: PullScope,
    output: Path,
    *,
    rules: FrameSelectionRules,
    max_unlabelled: int = 0,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> PullResult:
    """Download annotated frames into a folder that `train` reads; an earlier pull there is brought up to date.

    At most `max_unlabelled` frames that nobody has annotated go to `output/unlabelled`, for `train --unlabelled`.
    `progress` is called after each image with the number of downloaded images and of all to download.

    Raises:
        CvatError: The server does not answer, or no frame has a box to learn from.
    """
    folder = PullFolder(output, server.url)
    plan = plan_pull(server, scope)
    selection = select_frames(plan.tasks, _shapes(server, folder, plan), rules, max_unlabelled=max_unlabelled)
    _check(server, plan, selection)
    for task in plan.tasks:
        folder.remove_outdated_images(task)
    training = list(_wanted(folder.part(validation=False), selection.training))
    validation = list(_wanted(folder.part(validation=True), selection.validation))
    unlabelled = list(_wanted(folder.unlabelled, selection.unlabelled))
    missing = [image for image in (*training, *validation, *unlabelled) if find_downloaded(image) is None]
    broken = _download(server, missing, progress)
    if broken:
        selection = _without(selection, {(image.task_id, image.frame) for image in broken})
        _check(server, plan, selection, next(iter(broken.values())))
        training = [image for image in training if image not in broken]
        validation = [image for image in validation if image not in broken]
    files = _write(folder, plan, selection.training, training, validation=False)
    files += _write(folder, plan, selection.validation, validation, validation=True)
    files += [path for image in unlabelled if (path := find_downloaded(image)) is not None]
    source = describe_pull(
        server, scope, rules, plan, selection, [*server.notes, *(f"left out: {why}" for why in broken.values())]
    )
    write_json(output / SOURCE, source)
    folder.remove_other_images(files)
    return PullResult(source, len(missing) - len(broken))


def _download(
    server: Server, missing: Sequence[WantedImage], progress: Callable[[int, int], object]
) -> dict[WantedImage, str]:
    """Download images with a progress bar; as `download_images`."""
    disable = None if missing else True  # None: only on a terminal
    with tqdm(total=len(missing), unit="image", desc="images", file=sys.stderr, disable=disable) as bar:
        done = itertools.count(1)

        def report() -> None:
            bar.update()
            progress(next(done), len(missing))

        return download_images(server, missing, report)


def _without(selection: FrameSelection, broken: Collection[tuple[int, int]]) -> FrameSelection:
    """The selection without frames whose images are broken, which are counted as left out."""

    def good(frames: Sequence[SelectedFrame]) -> tuple[SelectedFrame, ...]:
        return tuple(frame for frame in frames if (frame.task.id, frame.frame) not in broken)

    left_out = {**selection.left_out, BROKEN: len(broken)}
    return replace(
        selection,
        training=good(selection.training),
        validation=good(selection.validation),
        unlabelled=good(selection.unlabelled),
        left_out=left_out,
    )


def _shapes(server: Server, folder: PullFolder, plan: PullPlan) -> dict[int, dict[int, Any]]:
    """Number of a job to the shapes of its frames."""
    shapes = {}
    jobs = [(task, job) for task in plan.tasks for job in used_jobs(task)]
    for task, job in tqdm(jobs, unit="job", desc="annotations", file=sys.stderr, disable=None):
        annotations = folder.annotations(job, functools.partial(server.annotations_of_job, job.id))
        with server.parsing_response(f"annotations of job {job.id}"):
            shapes[job.id] = shapes_of_frames(task, job, annotations)
    return shapes


def _check(server: Server, plan: PullPlan, selection: FrameSelection, broken: str = "") -> None:
    if any(not taken.negative for taken in selection.training):
        return
    names = ", ".join(str(task.id) for task in plan.tasks)
    why = "; ".join(f"{count} {reason}" for reason, count in selection.left_out.items())
    raise CvatError(
        f"{server.url}: no frame of task {names} has a box to learn from; expected some."
        f"{f' Left out were frames: {why}.' if why else ''} "
        f"{f'The first: {broken}' if broken else 'Draw boxes in CVAT and save them.'}"
    )


def _wanted(part: Path, frames: Sequence[SelectedFrame]) -> Iterator[WantedImage]:
    names = {task.id: image_file_names(task) for task in {taken.task.id: taken.task for taken in frames}.values()}
    for taken in frames:
        yield WantedImage(taken.task.id, taken.frame, part / IMAGES / names[taken.task.id][taken.frame])


def _write(
    folder: PullFolder,
    plan: PullPlan,
    frames: Sequence[SelectedFrame],
    images: Sequence[WantedImage],
    *,
    validation: bool,
) -> list[Path]:
    """Write `annotations.xml` for images that are there; returns their files."""
    files = [path for image in images if (path := find_downloaded(image)) is not None]
    if frames:
        used = {taken.task.id for taken in frames}
        tasks = [CvatTask(str(task.id), task.name, task.size, task.video) for task in plan.tasks if task.id in used]
        annotated = _images(frames, files, folder.part(validation=validation) / IMAGES)
        pieces = write_tasks(annotated, plan.labels, tasks, name="pulled from CVAT")
        folder.write_annotations(pieces, validation=validation)
    return files


def _images(frames: Sequence[SelectedFrame], files: Sequence[Path], folder: Path) -> Iterator[Frame]:
    for taken, path in zip(frames, files, strict=True):
        yield Frame(
            name=path.relative_to(folder).as_posix(),
            image=path,
            shapes=taken.shapes,
            declared_size=taken.task.image_size(taken.frame),
            task_id=str(taken.task.id),
            frame=taken.task.start + taken.frame * taken.task.step,
        )
