"""Jobs without a farm: rendered by a child process of this one, one after another."""
