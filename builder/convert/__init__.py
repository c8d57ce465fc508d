"""What an engine reads, made from an export directory: one file for each engine, found by its name.

A converter file has `convert(export: Path, directory: Path, input_size: tuple[int, int]) -> None`.
"""
