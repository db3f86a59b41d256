"""Names that the shell completes come from the data that has them."""

from __future__ import annotations

from rushes.presets.preset import preset_names
from rushes_queue.cli.flags.choices import complete_pipelines, complete_presets, offered_pipelines


def test_presets_are_completed_from_their_start() -> None:
    assert complete_presets("ti") == ["tiny"]
    assert complete_presets("") == list(preset_names())
    assert complete_presets("iny") == []


def test_pipelines_are_those_that_a_preset_renders() -> None:
    assert "streamdiffusionv2" in offered_pipelines()
    assert complete_pipelines("") == offered_pipelines()
    assert "streamdiffusionv2" in complete_pipelines("stream")
    assert complete_pipelines("none of this name") == []
