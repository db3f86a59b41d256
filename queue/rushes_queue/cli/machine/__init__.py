"""Commands about this machine: doctor, settings, weights."""
