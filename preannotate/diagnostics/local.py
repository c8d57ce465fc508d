"""A function as its directory describes it: what is compared with what nuclio and CVAT say of it."""

import json
from dataclasses import dataclass
from pathlib import Path

from builder.function_yaml import FINGERPRINT
from builder.variants import VARIANTS, Variant
from preannotate.serving.errors import DirectoryError
from preannotate.serving.function_config import FunctionConfig

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LocalFunction:
    """One variant of a function directory.

    Attributes:
        path: As the user named it.
        variant: CPU or GPU.
        settings: What its YAML file asks for.
        labels: (name, type) of each, sorted.
        fingerprint: Of the network; "" if the file names none.
    """

    path: Path
    variant: Variant
    settings: FunctionConfig
    labels: Labels
    fingerprint: str

    @property
    def name(self) -> str:
        """CVAT's id of the function."""
        return self.settings.name

    @property
    def file(self) -> str:
        """The YAML file, as a person would name it."""
        return str(self.settings.path / self.variant.file)


def read(path: Path, directory: Path) -> tuple[list[LocalFunction], list[str]]:
    """Every variant of a function directory that can be read.

    Args:
        path: As the user named it.
        directory: functions/NAME/nuclio.

    Returns:
        The variants, and a sentence for each that cannot be read.
    """
    found, problems = [], []
    for variant in VARIANTS.values():
        if not (directory / variant.file).is_file():
            continue  # static_check says so
        try:
            found.append(_read(path, directory, variant))
        except DirectoryError as failed:
            problems.append(str(failed))
    return found, problems


def labels_of(spec: str) -> Labels:
    """(name, type) of each label in the `spec` annotation, sorted; none if it is no list of labels."""
    try:
        return tuple(sorted((str(item["name"]), str(item.get("type", "any"))) for item in json.loads(spec or "[]")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()


def _read(path: Path, directory: Path, variant: Variant) -> LocalFunction:
    settings = FunctionConfig.read(directory, variant.file)
    return LocalFunction(
        path=path,
        variant=variant,
        settings=settings,
        labels=labels_of(settings.annotations.get("spec", "")),
        fingerprint=settings.annotations.get(FINGERPRINT, ""),
    )
