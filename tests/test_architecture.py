"""Rules that keep the pieces apart: who may import whom, and what may be imported at import time."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "runtime": ROOT / "functions" / "runtime",
    "evaluation": ROOT / "evaluation",
    "trainer": ROOT / "trainer",
    "builder": ROOT / "builder",
    "preannotate": ROOT / "preannotate",
}
# What each package may import of ours.
ALLOWED = {
    "runtime": {"runtime"},
    "evaluation": {"evaluation", "runtime"},
    "trainer": {"trainer", "evaluation", "runtime", "preannotate"},
    "builder": {"builder", "evaluation", "runtime", "preannotate"},
    "preannotate": {"preannotate", "builder", "trainer", "evaluation", "runtime"},
}
# What serving may need: everything else would have to be installed in every container.
RUNTIME_LIBRARIES = {"numpy", "PIL", "yaml", "runtime"}
ENGINE_LIBRARIES = {"openvino.py": {"openvino"}, "tensorflow.py": {"tensorflow"}}
HEAVY = {
    "tensorflow", "keras", "openvino", "onnxruntime", "h5py", "matplotlib", "starlette", "uvicorn", "nuclio_sdk",
    "cvat_sdk",
}  # fmt: skip

# Modules of the builder that are imported in a subprocess only.
SUBPROCESS = {"openvino_graph.py", "openvino_reference.py", "saved_model.py"}

SOURCES = [(package, path) for package, folder in PACKAGES.items() for path in sorted(folder.rglob("*.py"))]


def imports(path, *, top_level=False):
    """Names of the packages that a file imports; with `top_level` only those imported with the file itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def name(item):
    return str(item.relative_to(ROOT)) if isinstance(item, Path) else item


@pytest.mark.parametrize(("package", "path"), SOURCES, ids=name)
def test_packages_import_only_what_they_may(package, path):
    if "templates" in path.parts:  # these run in a function directory, beside their own `runtime`
        return
    ours = set(imports(path)) & set(PACKAGES)

    assert ours <= ALLOWED[package]


@pytest.mark.parametrize("path", sorted(PACKAGES["runtime"].rglob("*.py")), ids=name)
def test_the_runtime_needs_only_what_its_containers_have(path):
    allowed = RUNTIME_LIBRARIES | set(sys.stdlib_module_names)
    if path.parent.name == "engines":
        allowed |= ENGINE_LIBRARIES.get(path.name, set())

    assert set(imports(path)) <= allowed


@pytest.mark.parametrize(("package", "path"), SOURCES, ids=name)
def test_every_module_says_what_it_is_for(package, path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "no module docstring"


@pytest.mark.parametrize("path", sorted(PACKAGES["builder"].rglob("*.py")), ids=name)
def test_the_builder_leaves_converters_and_engines_to_subprocesses(path):
    if path.parent.name == "imports" and path.name in SUBPROCESS:
        return
    assert not {"tensorflow", "keras", "openvino", "onnxruntime", "nncf"} & set(imports(path, top_level=True))


def test_nothing_under_functions_shadows_an_engine():
    """A folder of that name on sys.path would be imported as an empty namespace package."""
    assert not {"tensorflow", "openvino"} & {path.name for path in (ROOT / "functions").iterdir()}


@pytest.mark.parametrize(
    "module",
    [
        "preannotate.cli.main",
        "trainer.cli",
        "builder.cli",
        "builder.build",
        "builder.imports.worker",
        "trainer.datasets",
    ],
)
def test_importing_stays_light(module):
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
