"""Benchmarks run by hand; this finds names that they import and that have been renamed."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "benchmarks"
IMPORT_ALL = """
import runpy, sys
from pathlib import Path
folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
for path in sorted(folder.glob("*.py")):
    runpy.run_path(str(path), run_name="imported")
    print(path.name)
"""


def test_every_benchmark_can_be_imported():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(FOLDER)], cwd=FOLDER.parent, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.split()) == len(list(FOLDER.glob("*.py")))
