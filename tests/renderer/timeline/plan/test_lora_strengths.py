"""The strengths of LoRAs: of the list, over it of keyframes, over those of a block."""

from __future__ import annotations

from typing import Any

from renders.plans import block, document, plan
from rushes.presets.preset import Preset

LORAS = [{"path": "film.safetensors", "scale": 0.5}, {"path": "ink.safetensors", "scale": 0.25}]


def strengths(preset: Preset, *blocks: dict[str, Any], **ext: Any) -> list[tuple[float, ...]]:
    made = plan(document(*blocks, loras=LORAS, inputMode="text", ext=ext), preset)
    return [chunk.lora_scales for chunk in made.chunks]


def test_nothing_is_said_where_none_changes(preset: Preset) -> None:
    assert set(strengths(preset, block(0, 1, "a"))) == {()}


def test_keyframes_move_one_and_leave_the_other(preset: Preset) -> None:
    keys = {"lora_scale.film": [{"t": 0, "v": 0.125, "ease": "step"}, {"t": 1, "v": 1}]}
    found = strengths(preset, block(0, 2, "a"), schedules=keys)
    assert (found[0], found[-1]) == ((0.125, 0.25), (1.0, 0.25))


def test_a_block_has_the_last_word(preset: Preset) -> None:
    own = {"params": {"lora_scale": {"film": 0.75, "ink": -1}}}
    keys = {"lora_scale.film": [{"t": 0, "v": 0.125}]}
    blocks = (block(0, 1, "a"), block(1, 2, "b", ext=own))
    found = strengths(preset, *blocks, schedules=keys)
    assert (found[0], found[-1]) == ((0.125, 0.25), (0.75, -1.0))


def test_what_changes_runs_beside_the_layers(preset: Preset) -> None:
    keys = {"schedules": {"lora_scale.film": [{"t": 0, "v": 0.125}]}}
    made = plan(document(block(0, 1, "a"), loras=LORAS, inputMode="text", ext=keys), preset)
    assert [lora.merge_mode for lora in made.loras] == ["runtime_peft", "permanent_merge"]
