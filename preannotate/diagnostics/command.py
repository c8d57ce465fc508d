"""`preannotate doctor`: the checks, from this machine to a call through CVAT."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.function_directory import FunctionDirectory, find_directories
from preannotate.core import http
from preannotate.core.errors import UsageError
from preannotate.cvat.login import Login, check_login
from preannotate.diagnostics import (
    base_weights,
    containers,
    cvat,
    dashboard,
    deployed,
    directory,
    machine,
    packages,
    trial,
)
from preannotate.diagnostics.finding import Finding, Severity, error_from_sentence, format_json, format_text, warning
from preannotate.diagnostics.functions import LocalFunction, read_variants
from preannotate.diagnostics.survey import Survey, survey

Findings = Iterator[Finding]

MACHINE: tuple[Callable[[], Findings], ...] = (
    packages.python,
    packages.packages,
    packages.two_tensorflows,
    packages.engines,
    machine.processor,
    machine.memory,
    machine.proxies,
    base_weights.coco_weights,
)
DIRECTORY: tuple[Callable[[Path], Findings], ...] = (directory.files, directory.proof, machine.disk)
DOCKER: tuple[Callable[[Survey], Findings], ...] = (
    containers.engine,
    containers.storage,
    containers.nuctl,
    containers.dashboard,
    containers.cvat,
    deployed.list_of_cvat,
    deployed.containers,
)
DEPLOYED: tuple[Callable[[Survey, Sequence[LocalFunction]], Findings], ...] = (
    deployed.functions,
    deployed.ports,
    deployed.base_images,
)


@dataclass(frozen=True)
class Options:
    """What to check.

    Attributes:
        functions: Function directories, or folders of them.
        cvat: How to log in to CVAT; None does not check it.
        nuclio: URL of nuclio's dashboard or of `preannotate serve`.
        task: Number of a task of that CVAT; the functions are called on a frame of it.
        frame: Counts from 0.
        gpu: Also check the GPU and the GPU variants.
    """

    functions: tuple[Path, ...] = ()
    cvat: Login | None = None
    nuclio: str | None = None
    task: int | None = None
    frame: int = 0
    gpu: bool = False


def print_diagnosis(options: Options, *, as_json: bool = False) -> int:
    """Print the findings of `diagnose`; returns 1 if there is an error among them, else 0."""
    found = diagnose(options)
    print(format_json(found) if as_json else format_text(found))
    return int(any(finding.severity == Severity.ERROR for findings in found.values() for finding in findings))


def diagnose(options: Options) -> dict[str, list[Finding]]:
    """Return the findings of each area.

    Raises:
        PreannotateError: Not a URL, a contradictory login, or a task without CVAT.
        BuildError: A path is no function directory.
    """
    if options.task is not None and (options.cvat is None or not options.functions):
        raise UsageError(
            "--task: without CVAT or a function directory; expected both. Add --cvat URL (or --profile NAME) and "
            "functions/NAME."
        )
    if options.cvat is not None:
        check_login(options.cvat)
    nuclio_url = None if options.nuclio is None else http.server_url("--nuclio", options.nuclio)
    directories = {str(found): (path, found) for path in options.functions for found in _directories(path)}
    checks = [*MACHINE, *([machine.gpu] if options.gpu else [])]
    areas = {"this machine": [finding for check in checks for finding in _guarded(check)]}
    functions: list[LocalFunction] = []
    for path, found in directories.values():
        areas[f"function {_shown(path, found)}"], variants = _function(path, found, gpu=options.gpu)
        functions += variants
    if len(directories) > 1:
        areas["functions together"] = list(_guarded(directory.collisions, functions))
    areas["docker and nuclio"] = _docker(functions)
    if nuclio_url is not None:
        areas[f"functions at {nuclio_url}"] = list(_guarded(dashboard.check, nuclio_url, functions))
    if options.cvat is not None:
        place = f"at {options.cvat.url}" if options.cvat.profile is None else f"of profile {options.cvat.profile}"
        call = {"task": options.task, "frame": options.frame}
        areas[f"CVAT {place}"] = list(_guarded(cvat.check, options.cvat, functions, **call))
    return {area: findings for area, findings in areas.items() if findings}


def _directories(path: Path) -> list[Path]:
    found = find_directories(path) if path.is_dir() else []
    return found or [FunctionDirectory.open(path).path]


def _shown(path: Path, found: Path) -> Path:
    """The directory as the user named it, or its own name if the user named a whole folder."""
    return path if found in (path, path / "nuclio") else found.parent


def _function(path: Path, found: Path, *, gpu: bool) -> tuple[list[Finding], list[LocalFunction]]:
    """The findings about one function directory, and its variants."""
    variants, problems = read_variants(_shown(path, found), found)
    findings = [finding for check in DIRECTORY for finding in _guarded(check, found)]
    known = " ".join(finding.finding for finding in findings)
    broken = [error_from_sentence(str(found), sentence, "Correct it.") for sentence in problems]
    findings += [finding for finding in broken if finding.finding not in known]
    findings += _guarded(directory.fingerprints, found, variants)
    used = [variant for variant in variants if gpu or not variant.variant.limits]
    findings += _guarded(directory.ports, used)
    for variant in used:
        findings += _guarded(trial.request, variant)
    return findings, variants


def _docker(functions: Sequence[LocalFunction]) -> list[Finding]:
    found = survey()
    if isinstance(found, Finding):
        return [found]
    findings = [finding for check in DOCKER for finding in _guarded(check, found)]
    if functions:
        findings += [finding for check in DEPLOYED for finding in _guarded(check, found, functions)]
    return findings


def _guarded(check: Callable[..., Findings], *arguments: object, **options: object) -> Findings:
    """The findings of a check; an exception of the check is a finding, too, and the other checks go on."""
    try:
        yield from check(*arguments, **options)
    except Exception as failed:
        yield warning(
            f"{check.__module__.rpartition('.')[2]}.{check.__name__}",
            f"this check itself failed: {type(failed).__name__}: {failed}",
            "Report it as a bug of Preannotate, with this line.",
        )
