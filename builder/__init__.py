"""Build function directories from models, and verify them.

Imports neither TensorFlow nor OpenVINO: both run in subprocesses.
"""
