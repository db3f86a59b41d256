"""Named ways to play a timeline, as data: which reference, and which era of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from rushes.presets.kinds import CachePolicy, Positions, Variant

ProfileName = Literal["scope", "scope-2025-10", "upstream", "upstream-exact", "upstream-2026-09"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How a file is played by default.

    ``reset_position``: the caches are reset before a chunk that begins there or, if
    ``reset_fits_chunk``, would reach beyond it; ``None`` for never. ``rewind_position``: from there
    positions go back into the window, without a reset. ``whole_chunks_only``: trailing frames that
    do not fill a chunk are not made. ``frames_one_to_one``: input frame n is output frame n,
    whatever the rates. ``stream_batch``: the denoising steps of consecutive chunks run in one pass.
    ``keeps_first_step``: the first chunk of a stream takes the steps as they are written.
    ``ends_text_at_zero``: in text mode a step at timestep 0 follows. ``rolling_as``: the cache that
    replaces the rolling one of StreamDiffusionV2; such a profile plays only models with a rolling
    cache. ``normalise_latents``: the encoded input is brought to unit variance, or is not.
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
    rolling_as: Variant | None = None
    stream_batch: bool = False
    keeps_first_step: bool = False
    ends_text_at_zero: bool = False
    video_steps: tuple[int, ...] | None = None
    noise_scale: float | None = None
    normalise_latents: bool | None = None


ROTARY_POSITIONS = 1024  # rows of the rotary table
REWIND_POSITION = 50  # sdv2: streamv2v/inference_wo_batch.py, streamv2v/inference.py

# sdv2: streamv2v/inference.py, configs/wan_causal_dmd_v2v.yaml, demo/vid2vid.py
_UPSTREAM = Profile(
    "upstream",
    fps=Fraction(16),
    on_prompt_change="reset",
    rewind_position=REWIND_POSITION,
    whole_chunks_only=True,
    frames_one_to_one=True,
    rolling_as="ring",
    stream_batch=True,
    keeps_first_step=True,
    ends_text_at_zero=True,
    video_steps=(700, 500),
    noise_scale=0.8,
)

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
        _UPSTREAM,
        replace(_UPSTREAM, name="upstream-exact", rolling_as="ring-exact"),
        # chenfengxu714/StreamDiffusionV2#12, #30: against dark results
        replace(_UPSTREAM, name="upstream-2026-09", noise_scale=0.6, normalise_latents=True),
    )
}


def with_positions(profile: Profile, positions: Positions | None) -> Profile:
    """Return the profile with another rule for the end of positions; ``None`` keeps its own.

    A rewind is upstream's for every profile. A reset comes where the profile has one, else where
    the rotary table ends.
    """
    if positions == "rewind":
        return replace(profile, rewind_position=REWIND_POSITION, reset_position=None)
    if positions == "reset" and profile.reset_position is None:
        return replace(
            profile,
            rewind_position=None,
            reset_position=ROTARY_POSITIONS,
            reset_fits_chunk=True,
        )
    return profile
