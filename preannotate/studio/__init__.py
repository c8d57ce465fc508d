"""The studio without its page: saved servers, what can be trained on, the queue of runs, models with their versions.

`services.Services` holds all of it together; `web` shows it. Nothing here knows of HTTP requests.
A run is a child process of `preannotate`, so that a crash or an out-of-memory never takes the studio down.
"""
