"""Presets: sizes, schedule and files of a model; and the catalogue of public weights."""
