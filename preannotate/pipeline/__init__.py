"""From a task of CVAT to a published function, again and again: `run`, its workspace and its versions.

`workspace` says where everything lies, `progress` what a run is doing, `publishing` which version CVAT sees.
Whoever shows or starts runs (`watch`, the studio) reads these files; a run is always a process of its own.
"""
