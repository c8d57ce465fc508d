"""From tasks of CVAT to a published function: `run_request` says what to do, `run` is the recipe of the stages."""
