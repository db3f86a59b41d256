"""Jobs of one kind that a worker renders at the same time, as rows of one batch."""
