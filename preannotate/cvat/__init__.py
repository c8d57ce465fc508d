"""A client of CVAT.

`connection` logs in and returns a `Server`, which has the pages of CVAT's REST API and sends `requests` with retries;
`functions` has those of models. `pull` downloads annotated frames, `upload` adds boxes, `new_task` creates tasks.
All modules but `login` and `errors` import cvat-sdk, which is an extra.
"""
