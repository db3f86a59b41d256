"""Measures of pictures: similarity, steadiness and drift."""
