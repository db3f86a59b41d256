"""A prompt that is cut is named, with the words that are not seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from renders.plans import block, document, plan
from rushes.files.folders import Folders
from rushes.presets.preset import Preset, load_preset
from rushes.shots.prompt_length import warn_of_cut_prompts


@pytest.fixture
def nothing_here(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "models", tmp_path / "cache")


def test_the_tokenizer_of_the_preset_counts(preset: Preset, nothing_here: Folders) -> None:
    fits, too_long = "a" * 511, "a" * 500 + " and a dragon"  # one token a byte, and the end
    made = plan(document(block(0, 1, fits), block(1, 2, too_long)), preset)
    (warning,) = warn_of_cut_prompts(made, preset, nothing_here)
    assert "longer than the 512 tokens" in warning
    assert warning.endswith('it does not see: "on"')


def test_prefix_and_suffix_count(preset: Preset, nothing_here: Folders) -> None:
    made = plan(document(block(0, 1, "a" * 505), ext={"suffix": "film grain"}), preset)
    assert len(warn_of_cut_prompts(made, preset, nothing_here)) == 1


def test_without_a_tokenizer_words_count(nothing_here: Folders) -> None:
    real = load_preset("streamdiffusionv2-1.3b")
    words = " ".join(f"w{number}" for number in range(513))
    (warning,) = warn_of_cut_prompts(plan(document(block(0, 1, words)), real), real, nothing_here)
    assert warning.endswith('it does not see: "w511 w512"')
    short = plan(document(block(0, 1, words.removesuffix(" w511 w512"))), real)
    assert warn_of_cut_prompts(short, real, nothing_here) == ()


def test_every_text_is_named_once(preset: Preset, nothing_here: Folders) -> None:
    made = plan(document(*[block(at, at + 1, "b" * 600) for at in range(3)]), preset)
    assert len(warn_of_cut_prompts(made, preset, nothing_here)) == 1
