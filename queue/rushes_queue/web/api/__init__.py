"""The addresses below /api/v1: the verbs of the command line."""
