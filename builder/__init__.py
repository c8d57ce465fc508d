"""What makes function directories out of models, and proves them.

Imports neither TensorFlow nor OpenVINO: both run in subprocesses.
"""
