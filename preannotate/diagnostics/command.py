"""`preannotate doctor`: the table of checks, in the order in which a colleague would look."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.function_directory import FunctionDirectory, find_directories
from preannotate.core import http
from preannotate.core.errors import UsageError
from preannotate.cvat.login import Login, check_login
from preannotate.diagnostics import (
    containers,
    cvat,
    dashboard,
    deployed,
    directory,
    local,
    machine,
    packages,
    report,
    trial,
)
from preannotate.diagnostics.finding import ERROR, Finding, from_sentence
from preannotate.diagnostics.local import LocalFunction
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
)
DIRECTORY: tuple[Callable[[Path], Findings], ...] = (directory.files, directory.proof, machine.disk)
DOCKER: tuple[Callable[[Survey], Findings], ...] = (
    containers.engine,
    containers.nuctl,
    containers.dashboard,
    containers.cvat,
    deployed.list_of_cvat,
)
DEPLOYED: tuple[Callable[[Survey, Sequence[LocalFunction]], Findings], ...] = (
    deployed.functions,
    deployed.ports,
    deployed.base_images,
)


@dataclass(frozen=True)
class Options:
    """What to look at.

    Attributes:
        functions: Function directories, or folders of them.
        cvat: How to log in to CVAT; None does not check it.
        nuclio: URL of nuclio's dashboard or of `preannotate serve`.
        task: Number of a task of that CVAT; the functions are called on a frame of it.
        frame: Counts from 0.
        gpu: Also look at the GPU and the GPU variants.
    """

    functions: tuple[Path, ...] = ()
    cvat: Login | None = None
    nuclio: str | None = None
    task: int | None = None
    frame: int = 0
    gpu: bool = False


def run(options: Options, *, as_json: bool = False) -> int:
    """Look at everything and print what was found.

    Returns:
        0 if there is no error, else 1.

    Raises:
        PreannotateError: Bad usage: not a URL, a task without CVAT.
        BuildError: A path is no function directory.
    """
    found = diagnose(options)
    print(report.as_json(found) if as_json else report.as_text(found))
    return int(any(finding.severity == ERROR for findings in found.values() for finding in findings))


def diagnose(options: Options) -> dict[str, list[Finding]]:
    """The findings of each area.

    Raises:
        PreannotateError: Bad usage.
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
        areas[f"function {_shown(path, found)}"], variants = _function(path, found, options)
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
    """The function directories that a path stands for."""
    found = find_directories(path) if path.is_dir() else []
    return found or [FunctionDirectory.open(path).path]


def _shown(path: Path, found: Path) -> Path:
    """How to call a directory: as it was named, or by its own name where a whole folder was named."""
    return path if found in (path, path / "nuclio") else found.parent


def _function(path: Path, found: Path, options: Options) -> tuple[list[Finding], list[LocalFunction]]:
    """Everything about one function directory."""
    variants, problems = local.read(_shown(path, found), found)
    findings = [finding for check in DIRECTORY for finding in _guarded(check, found)]
    known = " ".join(finding.finding for finding in findings)
    for sentence in problems:
        broken = from_sentence(ERROR, str(found), sentence, "Correct it.")
        if broken.finding not in known:
            findings.append(broken)
    findings += _guarded(directory.fingerprints, found, variants)
    findings += _guarded(directory.ports, [one for one in variants if options.gpu or not one.variant.limits])
    for variant in variants:
        if options.gpu or not variant.variant.limits:
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
    """The findings of a check; if it fails itself, that is one more, and the other checks go on."""
    try:
        yield from check(*arguments, **options)
    except Exception as failed:  # a doctor who faints helps nobody
        yield Finding(
            "warning",
            f"{check.__module__.rpartition('.')[2]}.{check.__name__}",
            f"this check failed itself: {type(failed).__name__}: {failed}",
            "Report it as a bug of Preannotate, with this line.",
        )
