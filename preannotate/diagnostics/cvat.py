"""`--cvat` and `--profile`: the functions that CVAT lists, and a call of each on a frame of a task."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from preannotate.core.text import plural
from preannotate.cvat.errors import RESUME, CvatError
from preannotate.cvat.login import Login
from preannotate.diagnostics.finding import Finding, error, error_from_sentence, note, ok, warning
from preannotate.diagnostics.functions import LocalFunction, different_labels

if TYPE_CHECKING:
    from preannotate.cvat.functions import Functions, ListedFunction
    from preannotate.cvat.server import Server

# To connect, and for each response: CVAT itself waits 120 s for a function, but somebody waits for this report.
TIMEOUT_SECONDS = (10.0, 20.0)


def check(
    login: Login, functions: Sequence[LocalFunction], *, task: int | None = None, frame: int = 0
) -> Iterator[Finding]:
    """Check the login, CVAT's list of functions, the given functions in it, and a call of each if a task is named.

    A call changes nothing in the task: CVAT stores only what its own page or an automatic annotation asks for.
    """
    try:
        from preannotate.cvat.connection import connect
        from preannotate.cvat.functions import Functions
    except ModuleNotFoundError as missing:
        name = "cvat-sdk" if str(missing.name).startswith("cvat_sdk") else missing.name
        yield error(
            "CVAT", f"{name} is not installed, so CVAT cannot be checked.", "Run: pip install 'preannotate[cvat]'"
        )
        return
    try:
        server = connect(login, retry=False, timeout=TIMEOUT_SECONDS)
    except CvatError as failed:
        yield _failure(failed)
        return
    yield ok(server.url, f"CVAT {server.version}")
    yield from (note(server.url, sentence) for sentence in server.notes)
    api = Functions(server)
    try:
        yield from _serverless(server, api)
        listed = api.listed()
    except CvatError as failed:
        yield _failure(failed)
        return
    if listed:
        yield ok("models", f"{len(listed)}: {', '.join(sorted(listed))}")
    else:
        yield warning(
            "models",
            "CVAT lists none: nuclio has no function in project cvat.",
            "Deploy with --project-name cvat (deploy.sh does), or put a directory where `preannotate serve` looks.",
        )
    for path in {function.path: None for function in functions}:
        variants = [function for function in functions if function.path == path]
        present = [function for function in variants if function.name in listed]
        if not present:
            yield _not_listed(server.url, variants, listed)
        for function in present:
            yield _same_labels(function, listed[function.name])
            if task is not None:
                yield from _call(server, api, function, task, frame)


def _failure(failed: CvatError) -> Finding:
    """The finding for a failed request, whose sentence begins with the place and ends with the remedy."""
    return error_from_sentence("", str(failed).removesuffix(f" {RESUME}"), "Check the URL and the login.")


def _serverless(server: "Server", api: "Functions") -> Iterator[Finding]:
    if not api.switched_on():
        yield error(
            server.url,
            "CVAT was started without its serverless part: it has no Models page.",
            "Set CVAT_SERVERLESS=1 for cvat_server, or start it with "
            "-f components/serverless/docker-compose.serverless.yml",
        )


def _not_listed(url: str, variants: Sequence[LocalFunction], listed: Mapping[str, object]) -> Finding:
    names = " and ".join(function.name for function in variants)
    return error(
        names,
        f"{'is' if len(variants) == 1 else 'are'} not among the {plural(len(listed), 'model')} of {url}.",
        f"Deploy it with ./deploy.sh cpu {variants[0].path}, or run `preannotate serve` where CVAT_NUCLIO_HOST points.",
    )


def _same_labels(function: LocalFunction, listed: "ListedFunction") -> Finding:
    labels = tuple(sorted(listed.labels.items()))
    if differing := different_labels(labels, function.labels):
        return warning(
            function.name,
            f"CVAT has other labels than the directory: {differing}.",
            f"Deploy {function.path} again.",
        )
    return ok(function.name, f"listed, with its {plural(len(labels), 'label')}")


def _call(server: "Server", api: "Functions", function: LocalFunction, task: int, frame: int) -> Iterator[Finding]:
    """Call a function once, with the labels of the task that match its own by name and type."""
    from preannotate.cvat.functions import label_mapping
    from preannotate.cvat.label_types import shape_type

    try:
        labels = server.labels_of_task(task)
        types = {str(label["name"]): str(label.get("type", "any")) for label in labels}
        matching = [name for name, kind in function.labels if name in types and shape_type(kind, types[name])]
        yield from _lost_labels(function, task, matching)
        names = {int(label["id"]): str(label["name"]) for label in labels}
        mapped = label_mapping(labels, matching)
        shapes = api.call(function.name, task, frame, mapped, names, timeout=TIMEOUT_SECONDS)
    except CvatError as failed:
        yield _failure(failed)
    else:
        yield ok(f"call of {function.name} on frame {frame} of task {task}", plural(len(shapes), "shape"))


def _lost_labels(function: LocalFunction, task: int, matching: Sequence[str]) -> Iterator[Finding]:
    """CVAT silently drops a shape if its label is not in the task, or has a type that does not accept it."""
    lost = sorted({name for name, _ in function.labels} - set(matching))
    if lost:
        severity = warning if matching else error
        yield severity(
            f"labels of task {task}",
            f"{'some' if matching else 'none of the'} labels of {function.name} match by name and type; CVAT silently "
            f"drops shapes of {', '.join(map(repr, lost))}.",
            "Choose the task's labels beside the model's in the dialog of Automatic annotation, or rename them in "
            "function.yaml and deploy again.",
        )
