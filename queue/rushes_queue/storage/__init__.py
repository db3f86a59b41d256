"""Where inputs and results live: a folder or a bucket behind one class."""
