"""Frames that are worth a person's time: `ranking` of frames to annotate, `review` of annotated ones."""
