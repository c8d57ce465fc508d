"""What is asked of a running CVAT: annotated frames out of its tasks.

`command` is the recipe; `login` and `server` speak with CVAT through cvat-sdk, `tasks` reads what tasks
look like, `tracks` and `shapes` turn annotations into shapes of frames, `selection` says which frames are
taken, `folder` keeps them. Every module but `command` may import cvat-sdk, which is an extra.
"""
