"""The tuning corpus: annotated image sets, each with a training part and a test part, and drawn scenes.

Defaults are to be chosen on the mean over all sets, never on one. A folder is a set if it has `eval_train.txt` and
`eval_test.txt`, the names of the images of each part, or `train/` and `test/`, each an export of annotations.
The drawn scenes need no folder: anyone can run the benchmarks with them alone.
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCENES = "scenes"
SCENES_TRAIN, SCENES_TEST = 120, 60
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class ImageSet:
    """A set of the corpus.

    Attributes:
        train, test: Exports of annotations; may be the same one.
        train_names, test_names: Images of each part.
    """

    name: str
    train: Path
    train_names: tuple[str, ...]
    test: Path
    test_names: tuple[str, ...]

    def first(self, count: int | None) -> tuple[str, ...]:
        """Return the first `count` training images in the order of the hash of their names; None returns all."""
        return first_by_hash(self.train_names, count)


def first_by_hash(names: Sequence[str], count: int | None) -> tuple[str, ...]:
    """Return the first `count` names in the order of their SHA-256, a random order that stays; None returns all."""
    if count is None:
        return tuple(names)
    return tuple(sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:count])


def find_sets(
    folder: Path | None, work: Path, names: Sequence[str] | None = None, *, masks: bool = False
) -> list[ImageSet]:
    """Return the sets in a folder, by name, and the drawn scenes, which are drawn into `work`, with masks if asked.

    `names` are those to return, None returns all; a name that is no set ends the program.
    """
    found = {path.name: one for path in sorted(folder.iterdir()) if (one := _read_set(path))} if folder else {}
    known = [*found, SCENES]
    for name in names or ():
        if name not in known:
            sys.exit(f"{name}: no set of the corpus; expected one of: {', '.join(known)}.")
    wanted = [name for name in known if names is None or name in names]
    return [_drawn_scenes(work, masks) if name == SCENES else found[name] for name in wanted]


def _read_set(path: Path) -> ImageSet | None:
    lists = path / "eval_train.txt", path / "eval_test.txt"
    if all(file.is_file() for file in lists):
        train, test = (tuple(file.read_text(encoding="utf-8").split()) for file in lists)
        return ImageSet(path.name, path, train, path, test)
    parts = path / "train", path / "test"
    if all(part.is_dir() for part in parts):
        train, test = map(_image_names, parts)
        return ImageSet(path.name, parts[0], train, parts[1], test)
    return None


def _drawn_scenes(work: Path, masks: bool) -> ImageSet:
    from preannotate.synthetic import write_export

    name = f"{SCENES}-masks" if masks else SCENES
    parts = work / f"{name}-train", work / f"{name}-test"
    for seed, (part, count) in enumerate(zip(parts, (SCENES_TRAIN, SCENES_TEST), strict=True), start=1):
        if not part.exists():
            write_export(part, count, seed, masks=masks)
    train, test = map(_image_names, parts)
    return ImageSet(SCENES, parts[0], train, parts[1], test)


def _image_names(export: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in export.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES))
