"""Where the data that travels with the package lies: ``configs/`` and ``timelines/``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import rushes


def data_folder(name: str) -> Path:
    """Return the folder ``configs`` or ``timelines``, installed or in a checkout."""
    installed = Path(str(files("rushes") / name))
    if installed.is_dir():
        return installed
    return Path(rushes.__file__).parents[2] / name
