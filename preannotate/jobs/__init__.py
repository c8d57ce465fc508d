"""Runs of a workspace: one queue, one supervisor, one state of a run.

`queue` is the list of all runs in the workspace's `database`, `supervisor` starts and follows them, `run_command` is
`preannotate run` itself, which registers there. `watcher` queues runs when jobs of CVAT are completed (`job_poller`,
`retrain_policy`; `webhook_receiver` only brings the next poll forward).
"""
