"""Images worth a person's time: `rank` for what to annotate next, `review` for what may be annotated wrong."""
