"""Function directories asked on this machine, outside nuclio."""
