"""Measures of pictures: how like they are, how steadily they move, whether they drift."""
