"""The serving source: the same files in the repository, in the tests and in every container.

Imports NumPy, contourpy, Pillow, PyYAML and itself only; one file of `engines/` imports OpenVINO and one TensorFlow.
"""
