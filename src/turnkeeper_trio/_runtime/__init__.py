"""Tasks: the only ring that waits."""
