"""Any file in: a timeline, or all its faults, out."""
