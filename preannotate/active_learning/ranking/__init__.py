"""Which frames of a task to annotate next, and what `review` shares with it: asking a function about frames.

`command` is the recipe; `asking` lets a function look at frames and keeps its answers in `memory`, `looks` describes
images, `doubt` says how much the model doubts and why, `spread` keeps what is chosen apart, `rank` puts them together,
`output` writes it down, `new_task` makes a task of it.
"""
