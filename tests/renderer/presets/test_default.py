"""Which preset is used where none is named."""

from __future__ import annotations

from pathlib import Path

from rushes.presets.default import REAL_PRESET, STAND_IN_PRESET, choose_preset
from rushes.presets.preset import load_preset


def test_the_real_pipeline_is_chosen_once_every_weight_file_is_here(tmp_path: Path) -> None:
    for _, names in load_preset(REAL_PRESET).weights.parts().items():
        preset, note = choose_preset(tmp_path)
        assert preset == STAND_IN_PRESET
        assert str(tmp_path) in (note or "")
        file = tmp_path / names[0]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert choose_preset(tmp_path) == (REAL_PRESET, None)
