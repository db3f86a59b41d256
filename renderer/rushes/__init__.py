"""Render timelines with streaming video diffusion models."""

__version__ = "0.1.0"
