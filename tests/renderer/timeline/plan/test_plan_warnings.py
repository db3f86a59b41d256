"""What a plan warns of, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from renders.plans import block, document, plan, resets
from rushes.presets.preset import Preset

CHANGE = "changes the denoising steps"


def with_steps(start: float, *steps: int, **more: Any) -> dict[str, Any]:
    ext = {"params": {"denoising_steps": list(steps)}} if steps else {}
    return block(start, start + 2, f"boat {start}", ext=ext | more)


def warnings_of(data: dict[str, Any], preset: Preset, what: str) -> list[str]:
    return [warning for warning in plan(data, preset).warnings if what in warning]


def test_resets_for_other_steps_are_told_and_no_others(preset: Preset) -> None:
    data = document(
        with_steps(0),
        with_steps(2, 600, 300),
        with_steps(4, 600, 300, cache="reset"),
        ext={},
        denoisingSteps=[700, 500],
    )
    assert len(resets(plan(data, preset))) == 3
    (warning,) = warnings_of(data, preset, CHANGE)
    assert warning.startswith("prompts[1]")
    assert "so the caches restart at frame 33" in warning


def test_steps_that_change_without_a_reset_are_not_told(preset: Preset) -> None:
    blocks = [with_steps(0), with_steps(2, 600, 300)]
    data = document(*blocks, ext={}, denoisingSteps=[700, 500], manageCache=False)
    assert len(resets(plan(data, preset))) == 1
    assert not warnings_of(data, preset, CHANGE)
    assert not warnings_of(document(*blocks, ext={}, denoisingSteps=[600, 300]), preset, CHANGE)


@pytest.mark.parametrize(("count", "listed"), [(20, 20), (21, 20)])
def test_at_most_twenty_are_listed(preset: Preset, count: int, listed: int) -> None:
    steps = ((600, 300), (700, 500))
    blocks = [with_steps(2 * number, *steps[number % 2]) for number in range(count + 1)]
    assert len(warnings_of(document(*blocks, ext={}), preset, CHANGE)) == listed


@pytest.mark.parametrize(
    ("noise_scale", "told"), [(0.109, True), (0.11, False), (0.5, False)], ids=str
)
def test_a_first_timestep_near_nothing_is_told(
    preset: Preset, noise_scale: float, told: bool
) -> None:
    blocks = [block(0, 2, "a boat")]
    data = document(*blocks, noiseScale=noise_scale, noiseController=False)
    assert bool(warnings_of(data, preset, "raise it to 0.11 or more")) is told
    controlled = document(*blocks, noiseScale=noise_scale, noiseController=True)
    assert not warnings_of(controlled, preset, "raise it")
    text = document(*blocks, noiseScale=noise_scale, noiseController=False, inputMode="text")
    assert not warnings_of(text, preset, "raise it")


def test_a_hidden_block_says_why(preset: Preset) -> None:
    blocks = [block(0, 2, "a"), block(2.01, 2.05, "short"), block(0.5, 1.5, "covered")]
    data = document(*blocks, block(5, 6, "late"))
    told = [
        warning
        for warning in plan(data, preset, duration=3).warnings
        if "is never shown" in warning
    ]
    reasons = ("no chunk starts in its frames", "an earlier block of the file covers it")
    assert any(reasons[0] in warning and "prompts[1]" in warning for warning in told)
    assert any(reasons[1] in warning and "prompts[2]" in warning for warning in told)
    assert any("it begins after the last frame, 47" in warning for warning in told)
