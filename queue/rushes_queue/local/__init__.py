"""A whole farm on this machine: its server, workers and supervisor."""
