"""What the broker keeps: the records of jobs and workers, in Redis."""
