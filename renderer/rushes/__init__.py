"""Render timelines with streaming video diffusion models."""

from rushes.version import __version__ as __version__
