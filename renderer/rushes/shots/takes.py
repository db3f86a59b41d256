"""The seeds of several takes of one timeline."""

from __future__ import annotations

from collections.abc import Sequence

from rushes.errors import ConfigError
from rushes.timeline.fields import LARGEST_INTEGER
from rushes.timeline.plan.job_settings import DEFAULT_SEED

# Takes are this far apart, so that no two of them share the noise of a latent frame.
SEEDS_BETWEEN_TAKES = 10_000

MOST_TAKES = 1000  # of one call; each has its plan in memory


def refuse_many_takes(takes: int) -> None:
    """Refuse more takes of a timeline than one call makes.

    Raises: ConfigError.
    """
    if takes > MOST_TAKES:
        raise ConfigError(
            f"{takes:,} takes are more than the {MOST_TAKES:,} of one call; make them in several "
            "calls, each with another --seed"
        )


def wanted_seeds(
    in_file: int | None,
    seed: int | None = None,
    takes: int | None = None,
    seeds: Sequence[int] | None = None,
) -> Sequence[int | None]:
    """Return the seed of every take; None leaves it to the timeline, whose seed is ``in_file``.

    Raises: ConfigError when there are too many takes.
    """
    if seeds is not None:
        wanted = list(dict.fromkeys(seeds))
        refuse_many_takes(len(wanted))
        return wanted
    return [seed] if takes is None else seeds_of_takes(takes, seed, in_file)


def seeds_of_takes(takes: int, seed: int | None, in_file: int | None) -> list[int]:
    """Return so many seeds, counted from the one that was asked for, else from the timeline's.

    Raises: ConfigError when there are too many.
    """
    refuse_many_takes(takes)
    first = seed if seed is not None else in_file if in_file is not None else DEFAULT_SEED
    last = first + (takes - 1) * SEEDS_BETWEEN_TAKES
    if last > LARGEST_INTEGER:
        raise ConfigError(
            f"seed {first}: take {takes} would have seed {last}, at most {LARGEST_INTEGER} is "
            "allowed; begin with a smaller --seed"
        )
    return [first + take * SEEDS_BETWEEN_TAKES for take in range(takes)]
