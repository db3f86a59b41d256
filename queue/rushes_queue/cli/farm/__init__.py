"""Commands that run a farm and look after it."""
