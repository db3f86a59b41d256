"""The preset that renders where none was chosen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.errors import MissingFileError

if TYPE_CHECKING:
    from rushes.presets.preset import Preset

REAL_PRESET, STAND_IN_PRESET = "streamdiffusionv2-1.3b", "pocket"


def preset_of(pipeline: str | None) -> str:
    """Return the preset that renders a pipeline with real weights, installed or not.

    Of several it is the first by name; of none, and for files that name no pipeline, that of
    StreamDiffusionV2.
    """
    names = [preset.name for preset in _real_presets(pipeline)]
    return REAL_PRESET if not names or REAL_PRESET in names else names[0]


def presets_of(pipeline: str | None) -> list[str]:
    """Return the presets with real weights that render a pipeline, the default first."""
    from rushes.presets.preset import load_preset

    first = preset_of(pipeline)
    names = [preset.name for preset in _real_presets(load_preset(first).pipeline_id)]
    return [first, *(name for name in names if name != first)]


def choose_preset(models: Path, pipeline: str | None = None) -> tuple[str, str | None]:
    """Choose a preset that renders a pipeline and whose weights are below a folder.

    Returns the preset's name, and a note for the user if it is the stand-in. Raises:
    MissingFileError when there is neither such a preset nor a stand-in.
    """
    # imported late: every --help needs only the names
    from rushes.presets.catalogue import is_installed
    from rushes.presets.preset import TINY, load_preset

    wanted = preset_of(pipeline)
    others = [preset.name for preset in _real_presets(pipeline) if preset.name != wanted]
    for name in (wanted, *others):
        if is_installed(load_preset(name), models):
            return name, None
    if load_preset(wanted).pipeline_id != load_preset(STAND_IN_PRESET).pipeline_id:
        raise MissingFileError(
            f"no weights of {wanted} below {models}; fetch them with "
            f"'rushes models download {wanted}', or choose another --preset, such as "
            f"{wanted}{TINY} for a look at its rhythm"
        )
    return STAND_IN_PRESET, (
        f"no weights of {wanted} below {models}; using preset "
        f"{STAND_IN_PRESET}, a small model that knows only the little world of docs/pocket.md"
    )


def _real_presets(pipeline: str | None) -> Iterator[Preset]:
    from rushes.presets.preset import load_preset, preset_names

    for preset in map(load_preset, preset_names()):
        if preset.pipeline_id == pipeline and not preset.brings_weights:
            yield preset
