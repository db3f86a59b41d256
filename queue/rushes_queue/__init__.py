"""The command line, and the farm that renders queued timelines."""
