"""Which preset makes the pictures where nobody has chosen one."""

from __future__ import annotations

from pathlib import Path

REAL_PRESET, STAND_IN_PRESET = "streamdiffusionv2-1.3b", "pocket"


def choose_preset(models: Path) -> tuple[str, str | None]:
    """Choose the real pipeline if its weights are below a folder, else the stand-in.

    Returns the preset's name, and a note for the user where it is the stand-in.
    """
    # Late: the names alone are wanted by every --help.
    from rushes.presets.catalogue import is_installed
    from rushes.presets.preset import load_preset

    if is_installed(load_preset(REAL_PRESET), models):
        return REAL_PRESET, None
    return STAND_IN_PRESET, (
        f"no weights of {REAL_PRESET} below {models}; using preset "
        f"{STAND_IN_PRESET}, a small model that knows only the little world of docs/pocket.md"
    )
