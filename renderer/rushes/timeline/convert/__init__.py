"""Prompt maps of other tools, turned into timelines."""
