"""Makes the pocket model: a little world, and the training of three networks on it."""
