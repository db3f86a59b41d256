"""A farm as programs use it: the command line, notebooks, servers."""
