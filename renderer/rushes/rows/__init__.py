"""Several streams in one pass of the network, each a row of a batch."""
