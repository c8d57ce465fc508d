"""A built function on disk, `functions/NAME/nuclio`, and whether its files are still those that were proven.

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
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from builder.errors import BuildError, CheckFailed
from builder.variants import VARIANTS, Variant, present
from preannotate.core.errors import FileError
from preannotate.core.files import read_json, write_json
from runtime.function_file import read_labels, rename_classes
from runtime.manifest import FILE_NAME as MANIFEST_FILE
from runtime.manifest import Manifest

PARITY_FILE = "parity.json"
# A function has dozens.
MAX_FILES = 10_000
# Beside `nuclio/`: the frozen validation images, which a check needs and which are not deployed.
VALIDATION_FOLDER = "validation"
# Key of the manifest's provenance.
MODEL_FINGERPRINT = "model_fingerprint"
# Either makes a directory a function directory; `static_check` reports what else is missing.
_SIGNS = ("main.py", "function.yaml")
_NOT_LISTED = {PARITY_FILE, *(variant.file for variant in VARIANTS.values())}


class Verdict(enum.StrEnum):
    """The result of a check."""

    PASSED = "passed"
    FAILED = "failed"


class ArtefactScores(TypedDict):
    """Average precision of one artefact on the frozen validation images, in [0, 1]; of masks if any is annotated."""

    map50: float
    mean_ap: float
    mask_map50: NotRequired[float]
    mask_mean_ap: NotRequired[float]


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
        """FAILED if there is any problem."""
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
            if (content := read_json(path)) is None:
                return None
            failed = Verdict(content.pop("verdict")) is Verdict.FAILED
            problems, notes = (tuple(map(str, content.pop(key, ()))) for key in ("problems", "notes"))
            digests = {str(name): str(digest) for name, digest in content.pop("digests", {}).items()}
            next_manifest = str(content.pop("next_manifest", ""))
        except (FileError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BuildError(
                f"{path.name}: {type(error).__name__} {error}; expected the result of a check. "
                f"Run: preannotate check {path.parent}"
            ) from error
        return cls((problems or ("The check failed.",)) if failed else (), notes, content, digests, next_manifest)


@dataclass(frozen=True)
class FunctionDirectory:
    """A function directory, `path`; what was read once is kept, so open it again to see changes."""

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
        """As `find`, but raise BuildError if neither is a function directory."""
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
        """`model.json` with the labels as they are called in `function.yaml`.

        Raises:
            FunctionError: One of the two is missing or broken, or they contradict each other.
        """
        return rename_classes(Manifest.read(self.path), read_labels(self.path / VARIANTS["cpu"].file))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes; index, errors as in `manifest`."""
        return self.manifest.labels

    @property
    def label_types(self) -> dict[str, str]:
        """Name of each label to its type: "rectangle", "polygon" or "mask"; errors as in `manifest`."""
        return {label: self.manifest.label_type(class_id) for class_id, label in enumerate(self.labels)}

    @property
    def model_fingerprint(self) -> str:
        """Fingerprint of the network according to `model.json`, "" if it has none; raises ManifestError."""
        return str(Manifest.read(self.path).provenance.get(MODEL_FINGERPRINT, ""))

    @cached_property
    def digests(self) -> dict[str, str]:
        """Relative path to SHA-256 of each file that a proof covers; reads every byte, and raises BuildError."""
        return _digests(self.path, _NOT_LISTED)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all files that decide what the function detects; the names of labels do not change it."""
        return _fingerprint(self.digests)

    @property
    def change_mark(self) -> str:
        """A text that changes whenever a file is added, removed or written; "" if the directory is gone.

        It is made of sizes, inodes and the times of the last status change, which no program can set. It reads no file,
        so that a folder can be polled, and proves nothing. Raises BuildError if there are too many files.
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
        """As `Proof.read`."""
        return Proof.read(self.path / PARITY_FILE)

    def write_proof(self, proof: Proof) -> None:
        """Replace `parity.json`."""
        write_json(self.path / PARITY_FILE, proof.to_json())

    def changed_files(self, proof: Proof) -> list[str]:
        """One sentence for each file that differs from what `proof` lists, none if it lists no files."""
        if not proof.digests:
            return []
        remedy = f"Build the function again, or accept the change: preannotate check --accept-changes {self.path}"
        sentences = []
        for name in sorted({*proof.digests, *self.digests}):
            found, expected = self.digests.get(name), proof.digests.get(name)
            if found == expected or (name == MANIFEST_FILE and found == proof.next_manifest):
                continue
            problem = "changed after the proof; expected the bytes that were proven"
            if found is None:
                problem = "no such file; expected the file that was proven"
            elif expected is None:
                problem = "was added after the proof; expected only files that were proven"
            sentences.append(f"{name}: {problem}. {remedy}")
        return sentences

    def proof_problems(self) -> list[str]:
        """One sentence for each reason why the files are not proven; empty if they are. Raises BuildError."""
        check = f"Run: preannotate check {self.path}"
        if (proof := self.proof()) is None:
            return [f"{PARITY_FILE}: no such file; expected the result of a check. {check}"]
        if changed := self.changed_files(proof):
            return changed
        if proof.problems:
            return [f"{PARITY_FILE}: the verdict is 'failed' ({proof.problems[0]}); expected 'passed'. {check}"]
        if not proof.digests:
            return [f"{PARITY_FILE}: no digests; expected one for each file that was proven. {check}"]
        return []


def find_directories(folder: Path, file_name: str = VARIANTS["cpu"].file) -> list[Path]:
    """List the function directories with a file of that name, sorted.

    `folder` has NAME/nuclio directories in it, or is itself a NAME or a nuclio directory.
    """
    for single in (folder, folder / "nuclio"):
        if _is_file(single / file_name):
            return [single]
    return [
        child / "nuclio"
        for child in sorted(folder.iterdir())
        # A name with a dot is a directory that is still being written.
        if not child.name.startswith(".") and _is_file(child / "nuclio" / file_name)
    ]


def _digests(folder: Path, left_out: Collection[str] = ()) -> dict[str, str]:
    return {name: file_digest(path) for name, path in _files(folder) if name not in left_out}


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal; raises BuildError if it cannot be read, or is a pipe or a device."""
    try:
        # Opening a pipe waits for a writer; this way it does not.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BuildError(f"{path}: a pipe or a device; expected a file. Remove it.")
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}; expected a readable file. Check its permissions.") from error


def network_fingerprint(graph: Path) -> str:
    """Return 16 hex digits that identify a network, from names and bytes of the files of its SavedModel or IR."""
    return _fingerprint(_digests(graph))[:16]


def _fingerprint(digests: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()).hexdigest()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder of somebody else's
        return False


def _inode(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # it is gone
        return -1, -1
    return status.st_dev, status.st_ino


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Relative path and path of each file that is not hidden or in Python's cache, sorted.

    Links are followed, for a container gets what they point to, but not back into a folder that holds them.

    Raises:
        BuildError: There are more than MAX_FILES, as where a link leads to the root of the disk.
    """
    found: list[Path] = []
    above: dict[Path, frozenset[tuple[int, int]]] = {}
    for parent, folders, files in os.walk(folder, followlinks=True):
        where = Path(parent)
        inodes = above.pop(where, frozenset()) | {_inode(where)}
        folders[:] = [
            name for name in folders if not name.startswith((".", "__pycache__")) and _inode(where / name) not in inodes
        ]
        above |= {where / name: inodes for name in folders}
        found += [where / name for name in files if not name.startswith(".")]
        if len(found) + len(above) > MAX_FILES:
            raise BuildError(
                f"{folder}: more than {MAX_FILES} files, counting what links lead to; expected those of a function. "
                f"Remove what does not belong there."
            )
    yield from sorted((path.relative_to(folder).as_posix(), path) for path in found)
