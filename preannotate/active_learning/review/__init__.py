"""Where a model and people disagree about annotated frames, ranked by how likely a person made a mistake.

`command` says what is asked; `recipe` reads the task and asks the function; `disagreements` compares, with `finding`
saying what it means that the model sees nothing; `page`, `pictures` and `output` show it; `issues` puts it into CVAT;
`learnt` says which frames the model was trained on.
"""
