"""Lists of image names that people write: with or without folders and extensions."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from preannotate.formats.errors import DatasetError
from preannotate.formats.images import without_extension


def match_names(wanted: Iterable[str], names: Iterable[str], *, where: str, unknown_allowed: bool = False) -> set[str]:
    """Those of `names` that `wanted` means.

    A wanted name means all names equal to it; if there is none, those equal without extension; if there
    is none, those whose last part is equal without extension.

    Args:
        wanted: Names as a person wrote them.
        names: Names of images.
        where: What the error message begins with.
        unknown_allowed: Pass over wanted names that mean no image.

    Raises:
        DatasetError: A wanted name means no image, unless that is allowed.

    """
    names = list(names)
    exact = set(names)
    stems, last_parts = defaultdict(set), defaultdict(set)
    for name in names:
        stem = without_extension(name)
        stems[stem].add(name)
        last_parts[PurePosixPath(stem).name].add(name)
    meant, unknown = set(), []
    for name in wanted:
        name = name.replace("\\", "/")
        stem = without_extension(name)
        found = {name} & exact or stems.get(stem) or last_parts.get(PurePosixPath(stem).name)
        if not found:
            unknown.append(name)
        meant |= found or set()
    if unknown and not unknown_allowed:
        example = f" such as {names[0]!r}" if names else ""
        raise DatasetError(
            f"{where}: {len(unknown)} names of no image, the first {unknown[0]!r}; "
            f"expected names of images in the export{example}. Correct or remove them."
        )
    return meant
