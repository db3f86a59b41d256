"""Where the package's data lies: presets, timelines, the pocket weights."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def data_folder(name: str) -> Path:
    """Return ``configs``, ``timelines`` or ``pocket``, installed or in a checkout."""
    installed = Path(str(files("rushes") / name))
    if installed.is_dir():
        return installed
    return Path(__file__).parents[3] / name
