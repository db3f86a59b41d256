"""From a timeline and what is wanted of it to plans and requests."""
