"""How detections compare with ground truth: shared by the trainer, the builder and the command line."""
