"""`preannotate import`: a detector trained elsewhere, brought into a run."""
