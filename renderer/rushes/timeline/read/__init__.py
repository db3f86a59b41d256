"""Reads any file into a timeline, or reports all its faults."""
