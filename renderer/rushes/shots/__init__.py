"""Makes plans and requests from a timeline and options."""
