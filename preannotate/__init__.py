"""The loop: from annotations to a function in CVAT, as a command line."""
