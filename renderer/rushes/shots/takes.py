"""The seeds of several takes of one timeline."""

from __future__ import annotations

from rushes.timeline.plan.job_settings import DEFAULT_SEED

# Takes are this far apart, so that no two of them share the noise of a latent frame.
SEEDS_BETWEEN_TAKES = 10_000


def seeds_of_takes(takes: int, seed: int | None, in_file: int | None) -> list[int]:
    """Return so many seeds, counted from the one that was asked for, else from the timeline's."""
    first = seed if seed is not None else in_file if in_file is not None else DEFAULT_SEED
    return [first + take * SEEDS_BETWEEN_TAKES for take in range(takes)]
