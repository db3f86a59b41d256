"""One video rendered by several processes, each making whole sections between two resets."""
