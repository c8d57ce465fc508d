"""Rules that keep the project's parts apart: what may import what, and what each part may need."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]

# From the ground up: each may import itself and what stands above it in this list. docs/architecture.md says what each
# is for. Trainer and builder meet in an export directory on disk and never import each other.
FLOORS = (
    "runtime",
    "preannotate.core",
    "evaluation",
    "preannotate.formats",
    "trainer",
    "builder",
    "preannotate.cvat",
    "preannotate.inference",
    "preannotate.serving",
    "preannotate.synthetic",
    "preannotate.registry",
    "preannotate.notifications",
    "preannotate.annotation",
    "preannotate.model_evaluation",
    "preannotate.model_import",
    "preannotate.model_catalogue",
    "preannotate.active_learning",
    "preannotate.diagnostics",
    "preannotate.pipeline",
    "preannotate.jobs",
    "preannotate.studio",
    "preannotate.cli",
)
APART = {("trainer", "builder"), ("builder", "trainer")}
# Serving needs these and nothing else: everything would have to be installed in every container.
RUNTIME_LIBRARIES = {"contourpy", "numpy", "PIL", "yaml", "runtime"}
ENGINE_LIBRARIES = {"openvino.py": {"openvino"}, "tensorflow.py": {"tensorflow"}}
# Only in subprocesses of the builder, so that their memory goes back with them.
CONVERTERS = {"tensorflow", "keras", "openvino", "onnxruntime", "nncf"}
CONVERTER_MODULES = {
    "builder.imports.image_input",
    "builder.imports.openvino_model",
    "builder.imports.saved_model",
    "builder.imports.saved_model_check",
}


@cache
def modules() -> dict[str, Path]:
    """Dotted name to file of every module of ours, but for the templates, which run beside their own `runtime`."""
    found = {}
    for folder, start in (("runtime", ROOT / "functions"), *((name, ROOT) for name in _PACKAGES)):
        for path in sorted((start / folder).rglob("*.py")):
            if "templates" not in path.parts:
                found[".".join(path.relative_to(start).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


_PACKAGES = ("evaluation", "trainer", "builder", "preannotate")


@cache
def imports(module: str) -> frozenset[str]:
    """Dotted names that a module imports anywhere, top level and inside functions; of ours down to the file."""
    names = set()
    for node in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: a relative import"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            ours = members & modules().keys()
            names |= ours | ({node.module} if len(ours) < len(members) else set())
    return frozenset(names)


def floor(module: str) -> str | None:
    """The floor that a module stands on; None for the package `preannotate` itself, which holds nothing."""
    return next((name for name in FLOORS if module == name or module.startswith(f"{name}.")), None)


def test_each_floor_imports_only_floors_below_it():
    wrong = [
        f"{module} imports {other}"
        for module in modules()
        if (mine := floor(module))
        for other in imports(module)
        if (theirs := floor(other)) and (FLOORS.index(theirs) > FLOORS.index(mine) or (mine, theirs) in APART)
    ]
    homeless = [name for name in modules() if floor(name) is None]

    assert not wrong
    assert homeless == ["preannotate", "preannotate.__main__"]


def test_the_documentation_lists_the_floors_in_this_order():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("\n## Floors\n")[2].partition("\n## ")[0]

    assert tuple(re.findall(r"^\d+\. `([\w.]+)`", section, re.MULTILINE)) == FLOORS


def test_no_modules_import_each_other_in_a_circle():
    assert circles({name: imports(name) & modules().keys() for name in modules()}) == []


def test_each_part_needs_only_the_libraries_that_it_may():
    wrong = []
    for name, path in modules().items():
        libraries = {imported.split(".")[0] for imported in imports(name)}
        if floor(name) == "runtime":
            allowed = RUNTIME_LIBRARIES | set(sys.stdlib_module_names)
            if path.parent.name == "engines":
                allowed |= ENGINE_LIBRARIES.get(path.name, set())
            wrong += [f"{name} needs {library}" for library in sorted(libraries - allowed)]
        elif floor(name) == "builder" and name not in CONVERTER_MODULES:
            wrong += [f"{name} needs {library}" for library in sorted(CONVERTERS & top_level_libraries(path))]
        elif "cvat_sdk" in libraries and floor(name) not in ("preannotate.cvat", "preannotate.cli"):
            wrong.append(f"{name} needs cvat_sdk")

    assert not wrong
    # A folder of that name on sys.path would be imported as an empty namespace package.
    assert not CONVERTERS & {path.name for path in (ROOT / "functions").iterdir()}


def test_every_module_says_what_it_is_for():
    texts = {name: path.read_text(encoding="utf-8") for name, path in modules().items()}

    assert [name for name, text in texts.items() if not ast.get_docstring(ast.parse(text))] == []


def test_help_loads_nothing_heavy():
    heavy = {
        "contourpy",
        "numpy",
        "PIL",
        "tensorflow",
        "keras",
        "openvino",
        "cvat_sdk",
        "starlette",
        "uvicorn",
        "matplotlib",
    }
    code = (
        "import runpy, sys; sys.argv = ['preannotate', '--help']\n"
        "try: runpy.run_module('preannotate', run_name='__main__')\n"
        f"finally: print('loaded:', *sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "usage: preannotate" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded:"


def top_level_libraries(path: Path) -> set[str]:
    """What is imported as soon as the file is."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    return names


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan, 1972, without recursion)."""
    order, low, stack, found = {}, {}, [], []
    for start in graph:
        work = [(start, iter(sorted(graph[start])))] if start not in order else []
        while work:
            node, rest = work[-1]
            if node not in order:
                order[node] = low[node] = len(order)
                stack.append(node)
            child = next(rest, None)
            if child is not None:
                if child not in order:
                    work.append((child, iter(sorted(graph[child]))))
                elif child in stack:
                    low[node] = min(low[node], order[child])
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == order[node]:
                component = stack[stack.index(node) :]
                del stack[stack.index(node) :]
                if len(component) > 1:
                    found.append(sorted(component))
    return found


def test_a_circle_would_be_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"e", "a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
