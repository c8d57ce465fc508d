"""`preannotate review`: where a model and the annotations of a task disagree."""
