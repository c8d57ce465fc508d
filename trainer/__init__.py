"""Annotations in, an export directory out."""
