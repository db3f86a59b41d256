"""A timeline and options in, a render plan out: everything that is decided beforehand."""
