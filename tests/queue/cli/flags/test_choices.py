"""Names that the shell completes come from the data that has them."""

from __future__ import annotations

from rushes.presets.preset import preset_names
from rushes_queue.cli.flags.choices import (
    complete_codecs,
    complete_models,
    complete_pipelines,
    complete_presets,
    complete_profiles,
    offered_pipelines,
)


def test_presets_are_completed_from_their_start() -> None:
    assert complete_presets("ti") == ["tiny"]
    assert complete_presets("") == list(preset_names())
    assert complete_presets("iny") == []


def test_pipelines_are_those_that_a_preset_renders() -> None:
    assert "streamdiffusionv2" in offered_pipelines()
    assert complete_pipelines("") == offered_pipelines()
    assert "streamdiffusionv2" in complete_pipelines("stream")
    assert complete_pipelines("none of this name") == []


def test_codecs_and_profiles_are_completed() -> None:
    assert complete_codecs("h26") == ["h264", "h265"]
    assert complete_profiles("scope") == ["scope", "scope-2025-10"]


def test_models_are_presets_with_public_weights_and_entries_of_the_catalogue() -> None:
    assert complete_models("streamdiffusionv2-1") == [
        "streamdiffusionv2-1.3b",
        "streamdiffusionv2-14b",
    ]
    assert complete_models("tokeniz") == ["tokenizer"]
    assert complete_models("pocket") == []
