"""Find what is wrong with a function directory without running it.

nuclio ignores unknown keys, and CVAT shows an empty list of models if one function's metadata is broken: mistakes show
far from where they were made.
"""

import filecmp
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import runtime
from builder.function_directory import FunctionDirectory
from builder.function_yaml import CVAT_TIMEOUT_SECONDS, FINGERPRINT, MAX_REQUEST_BODY_SIZE, image_name
from builder.variants import Variant, present
from runtime import bounded_yaml
from runtime.errors import FunctionError
from runtime.function_file import UNREADABLE, read_labels, rename_classes, unreadable_policy
from runtime.manifest import LABEL_TYPES, RECTANGLE, Manifest

TEMPLATE = Path(__file__).parent / "templates" / "detector"
# As in `builder.function_yaml.NAME_PATTERN`, with room for the suffix of a variant.
_DEPLOYED_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,54}[a-z0-9])?")


def problems(directory: Path) -> list[str]:
    """List what is wrong with `directory` (functions/NAME/nuclio), in sentences."""
    return [
        *_missing_files(directory),
        *_changed_runtime(directory),
        *_label_problems(directory),
        *(
            f"{variant.file}: {problem}"
            for variant in present(directory)
            if (directory / variant.file).is_file()
            for problem in _yaml_problems(directory / variant.file, variant)
        ),
        *_same_names(directory),
    ]


def notes(directory: Path) -> list[str]:
    """List what a person should know although it is no mistake."""
    return [
        f"{source.name} was edited after the build."
        for source in sorted(TEMPLATE.glob("*.py"))
        if (directory / source.name).is_file() and not filecmp.cmp(source, directory / source.name, shallow=False)
    ]


def runtime_files(directory: Path) -> list[str]:
    """List the Python files of a `runtime/`, relative to it."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.py"))


def _missing_files(directory: Path) -> Iterator[str]:
    needed = ["main.py", "model_handler.py", "model.json"]
    for variant in present(directory):
        needed += [variant.file, *variant.files]
    for name in needed:
        if not (directory / name).is_file():
            yield f"{name}: no such file; expected a whole function directory. Build the function again."


def _changed_runtime(directory: Path) -> Iterator[str]:
    source, copy = Path(runtime.__file__).parent, directory / "runtime"
    for name in sorted({*runtime_files(source), *runtime_files(copy)}):
        if not ((source / name).is_file() and (copy / name).is_file()):
            where = "the function directory" if (source / name).is_file() else "this version of Preannotate"
            yield f"runtime/{name}: not in {where}; expected a verbatim copy. Build the function again."
        elif not filecmp.cmp(source / name, copy / name, shallow=False):
            yield f"runtime/{name}: differs from its source; expected a verbatim copy. Build it again."


def _label_problems(directory: Path) -> Iterator[str]:
    try:
        manifest = Manifest.read(directory)
        named = {}
        for variant in present(directory):
            found = rename_classes(manifest, read_labels(directory / variant.file))
            named[variant.file] = (found.labels, found.label_types)
    except FunctionError as error:
        yield str(error)
        return
    if len(set(named.values())) > 1:
        yield (
            f"labels differ between {' and '.join(named)}; expected the same names and types. CVAT shows those of the "
            f"deployed file, the function returns those of function.yaml."
        )
    for file in named:
        yield from (f"{file}: {problem}" for problem in _type_problems(directory / file, manifest))


def _type_problems(path: Path, manifest: Manifest) -> Iterator[str]:
    allowed = (RECTANGLE,) if manifest.mask_head is None else LABEL_TYPES
    for label in json.loads(bounded_yaml.read(path)["metadata"]["annotations"]["spec"]):
        if label.get("type") not in allowed:
            expected = " or ".join(map(repr, allowed))
            yield f"label {label.get('name')!r} has type {label.get('type')!r}; expected {expected}."


def _same_names(directory: Path) -> Iterator[str]:
    names = []
    for variant in present(directory):
        try:
            names.append(bounded_yaml.read(directory / variant.file)["metadata"]["name"])
        except (OSError, ValueError, KeyError, TypeError):
            return  # reported already
    if len(set(names)) != len(names):
        yield f"metadata.name is {names[0]!r} twice; expected different names. One would replace the other."


def _yaml_problems(path: Path, variant: Variant) -> Iterator[str]:
    try:
        content = bounded_yaml.read(path)
        metadata, spec = content["metadata"], content["spec"]
        annotations = metadata["annotations"]
        yield from _metadata_problems(metadata["name"], annotations)
        yield from _spec_problems(spec, variant)
        yield from _image_problems(metadata["name"], annotations, spec, path.parent)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        first_line = (str(error).strip() or "broken").splitlines()[0]
        yield f"{type(error).__name__} {first_line}; expected a function of nuclio. Build it again."


def _metadata_problems(name: Any, annotations: dict[str, Any]) -> Iterator[str]:
    if not isinstance(name, str) or not _DEPLOYED_NAME.fullmatch(name):
        yield f"metadata.name {name!r}; expected at most 56 lower-case letters, digits and hyphens."
    for key, value in annotations.items():
        if not isinstance(value, str):
            yield f"annotation {key} is {value!r}; expected a text. Put it in quotes."
    if annotations.get("type") != "detector":
        yield f"annotation type is {annotations.get('type')!r}; expected 'detector'."
    if not str(annotations.get("version", "1")).isdigit():
        yield f"annotation version is {annotations['version']!r}; expected a whole number. CVAT needs it."


def _spec_problems(spec: dict[str, Any], variant: Variant) -> Iterator[str]:
    if not spec.get("description"):
        yield "spec.description is empty; expected a text. CVAT lists nothing otherwise."
    runtime_version = str(spec["runtime"]).removeprefix("python:")
    if not spec["build"]["baseImage"].endswith(f"-py{runtime_version}"):
        yield (
            f"spec.runtime is {spec['runtime']!r} and the base image {spec['build']['baseImage']!r}; "
            f"expected the same Python in both."
        )
    if spec["handler"] != "main:handler":
        yield f"spec.handler is {spec['handler']!r}; expected 'main:handler'."
    environment = {item["name"]: item["value"] for item in spec["env"]}
    if environment.get("MODEL_ENGINE") != variant.engine:
        yield f"MODEL_ENGINE is {environment.get('MODEL_ENGINE')!r}; expected {variant.engine!r}."
    try:
        unreadable_policy(environment.get(UNREADABLE, ""))
    except FunctionError as error:
        yield str(error)
    triggers = [trigger for trigger in spec["triggers"].values() if trigger["kind"] == "http"]
    if len(triggers) != 1:
        yield f"{len(triggers)} http triggers; expected one."
        return
    (trigger,) = triggers
    if int(trigger["attributes"]["maxRequestBodySize"]) < MAX_REQUEST_BODY_SIZE:
        yield f"maxRequestBodySize is less than {MAX_REQUEST_BODY_SIZE}; expected it. Big photos fail."
    if trigger["numWorkers"] < 1 or (variant.limits and trigger["numWorkers"] > variant.workers):
        yield f"numWorkers is {trigger['numWorkers']!r}; expected {variant.workers}."
    waiting = trigger["workerAvailabilityTimeoutMilliseconds"] / 1000
    timeout = re.fullmatch(r"(\d+)s", str(spec["eventTimeout"]))
    if timeout is None or 2 * int(timeout[1]) + waiting >= CVAT_TIMEOUT_SECONDS:
        yield (
            f"eventTimeout is {spec['eventTimeout']!r}; expected seconds; twice as many, and {waiting:g} "
            f"in the queue, must stay below CVAT's {CVAT_TIMEOUT_SECONDS}."
        )
    for resource, limit in variant.limits.items():
        if spec.get("resources", {}).get("limits", {}).get(resource) != limit:
            yield f"spec.resources.limits lacks {resource}: {limit}; expected it. Without, no GPU is seen."


def _image_problems(name: str, annotations: dict[str, Any], spec: dict[str, Any], directory: Path) -> Iterator[str]:
    """Whoever deploys an older image again finds it by this tag: it must name the model that is inside."""
    try:
        fingerprint = FunctionDirectory(directory).model_fingerprint
    except FunctionError:
        return  # reported already
    found, image = annotations.get(FINGERPRINT), spec["build"].get("image")
    if found != fingerprint:
        yield f"annotation {FINGERPRINT} is {found!r}; expected {fingerprint!r}, as in model.json."
    elif image != image_name(name, annotations):
        yield f"spec.build.image is {image!r}; expected {image_name(name, annotations)!r}."
