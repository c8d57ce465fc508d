"""A built function on disk: where it is, what it holds, and whether it is still what was proven.

`functions/NAME` holds it as `nuclio/`, and either may be named.

`parity.json` lists the SHA-256 digest of every file that was proven: the network (`model.xml`, `model.bin`,
`saved_model/`), `model.json` with the thresholds, and all code (`main.py`, `model_handler.py`, `auto_annotation.py`,
`runtime/`). `FunctionDirectory.proof_problems` compares contents and never dates. Not listed are

- `function.yaml` and `function-gpu.yaml`: people rename labels there and set ports, workers and limits. The proof
  compares classes by their id, so it holds for any names. What must fit the network (ids of the labels, fingerprint,
  engine, handler) is compared by its content whenever the directory is checked (`builder.static_check`);
- hidden files and folders and `__pycache__`, where a running function may write; and `parity.json` itself.
"""

import enum
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

from builder.errors import BuildError, CheckFailed
from builder.variants import VARIANTS, Variant, present
from preannotate.core.errors import FileError
from preannotate.core.files import read_json, write_json
from runtime.function_file import read_labels, rename_classes
from runtime.manifest import FILE_NAME as MANIFEST_FILE
from runtime.manifest import Manifest

PARITY_FILE = "parity.json"
# Beside `nuclio/`: the frozen validation images, which a check needs and which are not deployed.
VALIDATION_FOLDER = "validation"
# Key of the manifest's provenance.
MODEL_FINGERPRINT = "model_fingerprint"
# One of them is enough to recognise a function directory; what else is missing is reported by `static_check`.
_SIGNS = ("main.py", "function.yaml")
_NOT_LISTED = {PARITY_FILE, *(variant.file for variant in VARIANTS.values())}


class Verdict(enum.StrEnum):
    """The result of a check."""

    PASSED = "passed"
    FAILED = "failed"


class ArtefactScores(TypedDict):
    """Average precision of one artefact on the frozen validation images, each in [0, 1]."""

    map50: float
    mean_ap: float


class ProofFigures(TypedDict, total=False):
    """What a proof measured; empty if the function could not be run.

    Attributes:
        reference: The network that all artefacts are compared with, with the version of what ran it.
        images: Number of frozen validation images.
        boxes: Number of annotated boxes on them; 0 if they are not annotated.
        scores: By artefact: "reference", "saved_model", "ir_f32", "ir", "served", "served_gpu".
        differences: By pair, such as "ir vs reference": `evaluation.parity.Difference` as JSON.
        rules: By pair, what counts as equal.
        precision: `builder.precision.PrecisionResult`.
        devices: By variant, what ran the network.
        versions: By package.
    """

    reference: str
    images: int
    boxes: int
    scores: dict[str, ArtefactScores]
    differences: dict[str, dict[str, float]]
    rules: dict[str, str]
    precision: dict[str, Any]
    devices: dict[str, str]
    versions: dict[str, str]


@dataclass(frozen=True)
class Proof:
    """The result of a check, and the content of `parity.json`; nothing in it depends on where the directory lies.

    Attributes:
        problems: Sentences; none if the function may be deployed.
        notes: Sentences; what was not checked, and what a person should know.
        figures: See `ProofFigures`.
        digests: Relative path to SHA-256 of each file of the last proof that passed; a failed check keeps them.
        next_manifest: Digest of a `model.json` that is proven too and about to replace the listed one
            (`builder.thresholds`); "" otherwise.
    """

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    figures: ProofFigures = field(default_factory=lambda: ProofFigures())
    digests: Mapping[str, str] = field(default_factory=dict)
    next_manifest: str = ""

    @property
    def verdict(self) -> Verdict:
        """PASSED if there is no problem."""
        return Verdict.FAILED if self.problems else Verdict.PASSED

    def raise_if_failed(self) -> None:
        """Raise CheckFailed with the first problem and the number of the others."""
        if self.problems:
            others = f" ({len(self.problems) - 1} more problems)" if len(self.problems) > 1 else ""
            raise CheckFailed(f"{self.problems[0]}{others}")

    def to_json(self) -> dict[str, Any]:
        """Return the content of `parity.json`."""
        return {
            "verdict": self.verdict,
            "problems": list(self.problems),
            "notes": list(self.notes),
            **self.figures,
            **({"digests": dict(self.digests)} if self.digests else {}),
            **({"next_manifest": self.next_manifest} if self.next_manifest else {}),
        }

    @classmethod
    def read(cls, path: Path) -> "Proof | None":
        """Read `parity.json`; None if there is no such file.

        Raises:
            BuildError: It cannot be read.
        """
        try:
            content = read_json(path)
            if content is None:
                return None
            verdict = Verdict(content.pop("verdict"))
            problems = tuple(map(str, content.pop("problems", ())))
            digests = {str(name): str(digest) for name, digest in content.pop("digests", {}).items()}
            notes, next_manifest = tuple(map(str, content.pop("notes", ()))), str(content.pop("next_manifest", ""))
        except (FileError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BuildError(
                f"{path.name}: {type(error).__name__} {error}; expected the result of a check. "
                f"Run: preannotate check {path.parent}"
            ) from error
        if verdict is Verdict.FAILED and not problems:
            problems = ("The check failed.",)
        return cls(problems if verdict is Verdict.FAILED else (), notes, content, digests, next_manifest)


@dataclass(frozen=True)
class FunctionDirectory:
    """A function directory as it is when it is first read; open it again to see changes.

    Attributes:
        path: functions/NAME/nuclio, the directory that nuclio deploys.
    """

    path: Path

    @classmethod
    def find(cls, path: Path) -> "FunctionDirectory | None":
        """Return the function directory `path/nuclio` or `path` itself; None if neither is one."""
        for directory in (path / "nuclio", path):
            if any((directory / name).is_file() for name in _SIGNS):
                return cls(directory)
        return None

    @classmethod
    def open(cls, path: Path) -> "FunctionDirectory":
        """As `find`, for a path that must be a function directory.

        Raises:
            BuildError: It is none.
        """
        if (directory := cls.find(path)) is None:
            raise BuildError(
                f"{path}: no function directory; expected functions/NAME, as `preannotate build` makes them."
            )
        return directory

    @property
    def name(self) -> str:
        """NAME of functions/NAME/nuclio."""
        return self.path.resolve().parent.name if self.path.name == "nuclio" else self.path.resolve().name

    @property
    def validation(self) -> Path:
        """The folder of the frozen validation images, which may be missing."""
        return self.path.parent / VALIDATION_FOLDER

    @property
    def variants(self) -> list[Variant]:
        """The variants that are present."""
        return present(self.path)

    @cached_property
    def manifest(self) -> Manifest:
        """`model.json`, with the labels as they are called in `function.yaml`.

        Raises:
            FunctionError: One of the two is missing or broken, or they contradict each other.
        """
        return rename_classes(Manifest.read(self.path), read_labels(self.path / VARIANTS["cpu"].file))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes; index, errors as in `manifest`."""
        return self.manifest.labels

    @property
    def model_fingerprint(self) -> str:
        """The fingerprint of the network that `model.json` names; "" if it names none.

        Raises:
            ManifestError: `model.json` is missing or broken.
        """
        return str(Manifest.read(self.path).provenance.get(MODEL_FINGERPRINT, ""))

    @cached_property
    def digests(self) -> dict[str, str]:
        """Relative path to SHA-256 of each file that a proof covers. Reads every byte.

        Raises:
            BuildError: A file cannot be read.
        """
        return file_digests(self.path, _NOT_LISTED)

    @property
    def fingerprint(self) -> str:
        """A name for everything that decides what the function detects; labels may be renamed without changing it."""
        return _fingerprint(self.digests)

    @property
    def change_mark(self) -> str:
        """A text that changes whenever a file is added, removed or written; "" if the directory is gone.

        It reads no file, so that a folder can be polled, and is no proof of anything. It is made of sizes, inodes and
        the times of the last change of status, which no program can set back.
        """
        marks = []
        for name, path in _files(self.path):
            try:
                status = path.stat()
            except OSError:
                continue  # removed meanwhile: the next mark differs
            marks.append(f"{name}\0{status.st_ino}\0{status.st_size}\0{status.st_ctime_ns}\0")
        return hashlib.sha256("".join(marks).encode(errors="surrogateescape")).hexdigest() if marks else ""

    def proof(self) -> Proof | None:
        """Read `parity.json`; None if the function was never checked.

        Raises:
            BuildError: It cannot be read.
        """
        return Proof.read(self.path / PARITY_FILE)

    def write_proof(self, proof: Proof) -> None:
        """Replace `parity.json`."""
        write_json(self.path / PARITY_FILE, proof.to_json())

    def changed_files(self, proof: Proof) -> list[str]:
        """One sentence for each file that is not, byte for byte, what `proof` lists; empty if it lists nothing.

        Raises:
            BuildError: A file cannot be read.
        """
        if not proof.digests:
            return []
        remedy = f"Build the function again, or accept the change: preannotate check --accept-changes {self.path}"
        sentences = []
        for name in sorted({*proof.digests, *self.digests}):
            found, expected = self.digests.get(name), proof.digests.get(name)
            if found == expected or (name == MANIFEST_FILE and found == proof.next_manifest):
                continue
            if found is None:
                sentences.append(f"{name}: no such file; expected the file that was proven. {remedy}")
            elif expected is None:
                sentences.append(f"{name}: was added after the proof; expected only files that were proven. {remedy}")
            else:
                sentences.append(f"{name}: changed after the proof; expected the bytes that were proven. {remedy}")
        return sentences

    def proof_problems(self) -> list[str]:
        """One sentence for each reason why the files here do not count as proven; empty if they do.

        Raises:
            BuildError: A file cannot be read.
        """
        check = f"Run: preannotate check {self.path}"
        proof = self.proof()
        if proof is None:
            return [f"{PARITY_FILE}: no such file; expected the result of a check. {check}"]
        if changed := self.changed_files(proof):
            return changed
        if proof.problems:
            return [f"{PARITY_FILE}: the verdict is 'failed' ({proof.problems[0]}); expected 'passed'. {check}"]
        if not proof.digests:
            return [f"{PARITY_FILE}: no digests; expected one for each file that was proven. {check}"]
        return []


def find_directories(folder: Path, file_name: str = VARIANTS["cpu"].file) -> list[Path]:
    """List the function directories with a file of that name in `folder`, sorted.

    Args:
        folder: A folder of NAME/nuclio directories, one NAME, or one nuclio directory.
        file_name: YAML file of the variant.
    """
    for single in (folder, folder / "nuclio"):
        if (single / file_name).is_file():
            return [single]
    return [
        child / "nuclio"
        for child in sorted(folder.iterdir())
        # A name with a dot is a directory that is still being written.
        if not child.name.startswith(".") and (child / "nuclio" / file_name).is_file()
    ]


def file_digests(folder: Path, left_out: set[str] | frozenset[str] = frozenset()) -> dict[str, str]:
    """Relative path to SHA-256 of each file below `folder` that is not hidden or Python's cache, sorted.

    Raises:
        BuildError: A file cannot be read.
    """
    return {name: file_digest(path) for name, path in _files(folder) if name not in left_out}


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        BuildError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}; expected a readable file. Check its permissions.") from error


def network_fingerprint(graph: Path) -> str:
    """Return 16 hex digits that name a network: of the names and bytes of the files of its SavedModel or IR."""
    return _fingerprint(file_digests(graph))[:16]


def _fingerprint(digests: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()).hexdigest()


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Relative path and path of each file, sorted; links are followed, for a container would get what they point to."""
    found = []
    for where, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        found += [Path(where, name) for name in files if not name.startswith(".")]
    yield from sorted((path.relative_to(folder).as_posix(), path) for path in found)
