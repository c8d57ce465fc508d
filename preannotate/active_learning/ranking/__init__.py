"""`preannotate rank`: which frames of a task to annotate next."""
