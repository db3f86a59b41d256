"""The settings of a machine, and where their values come from."""
