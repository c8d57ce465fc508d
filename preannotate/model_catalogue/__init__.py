"""Detectors that others have trained and published: what can be had, and how one becomes a model of the workspace."""
