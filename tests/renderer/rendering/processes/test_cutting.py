"""Where a plan is cut into sections."""

from __future__ import annotations

from dataclasses import replace

from renders.plans import EVOLUTION, chain, document, plan
from rushes.presets.preset import load_preset
from rushes.rendering.processes.cutting import cut_sections

PRESET = load_preset("tiny")


def test_each_reset_begins_a_section() -> None:
    data = document(*chain(*EVOLUTION), inputMode="text")
    whole = plan(data, PRESET, profile="scope-2025-10")
    sections = cut_sections(whole)
    assert len(sections) == 5
    assert [section.start for section in sections] == [
        chunk.index for chunk in whole.chunks if chunk.reset
    ]
    assert [index for section in sections for index in section] == list(range(len(whole.chunks)))


def test_a_plan_without_resets_is_one_section() -> None:
    whole = plan(document(*chain(0, 1, 2), inputMode="text"), PRESET)
    assert cut_sections(whole) == [range(len(whole.chunks))]


def test_a_clip_that_goes_on_from_the_one_before_is_no_place_to_cut() -> None:
    whole = plan(document(*chain(0, 1, 2), inputMode="text"), PRESET, profile="scope-2025-10")
    (_, second) = cut_sections(whole)
    chunks = tuple(
        replace(chunk, is_carried_over=chunk.index == second.start) for chunk in whole.chunks
    )
    assert cut_sections(replace(whole, chunks=chunks)) == [range(len(chunks))]
