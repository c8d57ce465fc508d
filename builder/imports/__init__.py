"""Import of detectors trained elsewhere: from their files to an export directory like that of a training.

Model files are parsed in a subprocess (`worker`) only.
"""
