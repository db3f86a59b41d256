"""Named ways to play a timeline, as data: which reference, and which era of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from rushes.timeline.document import CachePolicy

ProfileName = Literal["scope", "scope-2025-10", "upstream"]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a profile sets where the command line says nothing.

    ``reset_position``: the caches restart before a chunk that begins there, or, if
    ``reset_fits_chunk``, that would reach beyond it; ``None`` for never.
    ``rewind_position``: from there positions go back into the window, without a reset.
    ``whole_chunks_only``: trailing frames that do not fill a chunk are not made.
    ``frames_one_to_one``: input frame n is output frame n, whatever the rates.
    Units: latent frames for positions.
    """

    name: ProfileName
    fps: Fraction | None = None
    on_prompt_change: CachePolicy | None = None
    seeds_in_tokens: bool = False
    reset_position: int | None = None
    reset_fits_chunk: bool = False
    rewind_position: int | None = None
    whole_chunks_only: bool = False
    frames_one_to_one: bool = False


ROTARY_POSITIONS = 1024  # rows of the rotary table

PROFILES: dict[ProfileName, Profile] = {
    profile.name: profile
    for profile in (
        # scope: src/scope/core/pipelines/wan2_1/blocks/setup_caches.py
        Profile("scope", reset_position=ROTARY_POSITIONS, reset_fits_chunk=True),
        # scope @ 6da3b3f7: pipelines/streamdiffusionv2/pipeline.py
        Profile(
            "scope-2025-10",
            fps=Fraction(15),
            on_prompt_change="reset",
            seeds_in_tokens=True,
            reset_position=512,
        ),
        # sdv2: streamv2v/inference.py, demo/vid2vid.py
        Profile(
            "upstream",
            fps=Fraction(16),
            on_prompt_change="reset",
            rewind_position=50,
            whole_chunks_only=True,
            frames_one_to_one=True,
        ),
    )
}
