"""Training again by itself when people have completed more jobs.

`look` asks CVAT which jobs are completed, `news` decides (pure functions), `child` is the run, `watcher` does one after
the other; `receiver` takes CVAT's webhooks, which only make the next look come sooner.
"""
