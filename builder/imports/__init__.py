"""From a network trained elsewhere to an export directory, as the trainer would have left it.

`import_model` is the way from a file to a directory, `source` what kinds of files there are, `adapters` what their
outputs may mean, `worker` the subprocess in which the file is parsed: nothing of it is read in the user's process.
"""
