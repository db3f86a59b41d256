"""One video rendered by several processes: in sections between resets, or in ranks of blocks."""
