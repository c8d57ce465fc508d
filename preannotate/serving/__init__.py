"""Built functions on this machine: worker processes behind the endpoints of nuclio that CVAT calls."""
