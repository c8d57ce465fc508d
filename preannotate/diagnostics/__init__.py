"""`preannotate doctor`: diagnose why CVAT shows no model, or an error.

Each module holds the checks of one area; `command` holds their table. A check is a function that yields findings. It
changes nothing, takes seconds, and never prints a secret: of containers and of this machine only settings that are
known to be harmless are repeated.
"""
