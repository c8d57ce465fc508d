"""`preannotate import`: somebody else's model as if it had been trained here."""
