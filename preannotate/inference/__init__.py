"""Function directories run on this machine, outside nuclio."""
