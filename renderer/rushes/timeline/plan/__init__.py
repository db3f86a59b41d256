"""Makes a render plan from a timeline and options: everything that is decided before a render."""
