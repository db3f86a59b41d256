"""What the networks remember of a stream between chunks."""
