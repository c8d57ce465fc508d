"""The versions a container holds, in one place: `function_yaml` names its base image by them.

A test holds them against `pyproject.toml`, so that what was proven here is what runs there.
"""

# nuclio 1.13 to 1.16 all have wheels for it. The runtime's minor version must equal the base image's Python.
PYTHON = "3.11"
OPENVINO = "2026.4"
TENSORFLOW = "2.21"
