"""Messages about ended runs, by e-mail and to a webhook.

`message` is what is sent, `settings` to whom and how; `delivery` sends it with `mail`, `smtp` and `webhook`. The texts
about runs are made in `preannotate.pipeline.outcomes`.
"""
