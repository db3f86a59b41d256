"""Faults as data."""

from __future__ import annotations

from pathlib import Path

from renders.shots import block, timeline
from rushes.presets.preset import Preset
from rushes.shots.checking import find_problems, is_ok
from rushes.shots.sources import read_source
from rushes.timeline.plan.options import PlanOptions


def test_what_planning_finds_follows_what_reading_found(preset: Preset) -> None:
    loaded = read_source(
        timeline(block("a boat", 0, 604_800), ext={"output": {"fps": 240}}) | {"strange": 1}
    )
    problems = find_problems(loaded, PlanOptions(), preset, file=Path("t.json"))
    assert "strange" in problems[0].message
    assert "of one job" in problems[-1].message
    assert not is_ok(problems)
    assert is_ok(problems[:1])
