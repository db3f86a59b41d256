"""Reading lists of denoising steps and resolutions, with the limits that rendering sets."""

from __future__ import annotations

from itertools import pairwise

from rushes.timeline.fields import Fields, as_integer
from rushes.timeline.problems import ITEM_LIMIT

TOKEN_PIXELS = 16  # pixels a side of one token: 8 in the VAE, 2 in the DiT
LEAST_SIDE = 64
MOST_SIDE = 2048


def read_steps(fields: Fields, key: str) -> tuple[int, ...] | None:
    """Read a list of denoising steps: integers within 1 and 1000, strictly decreasing.

    Zeros at the end are dropped with a note: lists of upstream end so, and it drops them too.
    """
    entries = fields.array(key)
    if entries is None:
        return None
    path, problems = fields.path_of(key), fields.problems
    steps = [as_integer(entry) for entry in entries]
    whole = [step for step in steps if step is not None]
    if len(whole) < len(steps):
        problems.error(path, "must hold integers only, each within 1 and 1000", entries)
        return None
    num_zeros = next((n for n, step in enumerate(reversed(whole)) if step), len(whole))
    if num_zeros and num_zeros == len(whole):
        problems.error(path, "holds nothing but 0; at least one step above 0 is needed", entries)
        return None
    if num_zeros:
        problems.note(path, "zeros at the end are dropped; they add no model call", entries)
        del whole[-num_zeros:]
    fault = steps_fault(whole)
    if fault:
        problems.error(path, fault, entries)
        return None
    return tuple(whole)


def steps_fault(steps: list[int]) -> str:
    """Say what is wrong with a list of denoising steps, or nothing."""
    if not steps:
        return "is empty; at least one denoising step is needed, such as [700, 500]"
    outside = [step for step in steps if not 1 <= step <= 1000]
    if outside:
        return f"holds {_some(outside)}; each denoising step must be within 1 and 1000"
    rises = [f"{after} after {before}" for before, after in pairwise(steps) if after >= before]
    if rises:
        return f"must strictly decrease: {_some(rises)}; sort it, highest first"
    return ""


def _some(items: list[int] | list[str]) -> str:
    return ", ".join(map(str, items[:ITEM_LIMIT]))


def first_timestep(noise_scale: float) -> int:
    """Return the first denoising step of video mode, whatever the list says; not clamped.

    Source: scope: src/scope/core/pipelines/wan2_1/blocks/denoise.py
    """
    return int(1000 * noise_scale) - 100


def side_fault(pixels: int) -> str:
    """Say what is wrong with a height or width, or nothing."""
    if round_side(pixels) < LEAST_SIDE:
        return (
            f"is {pixels}, below the least size of {LEAST_SIDE}; "
            f"use a larger multiple of {TOKEN_PIXELS}"
        )
    if pixels > MOST_SIDE:
        return f"is {pixels}, above the largest size of {MOST_SIDE}; use a smaller one"
    return ""


def round_side(pixels: int) -> int:
    """Return the nearest multiple of 16, ties up, as Scope's page rounds."""
    return (pixels + TOKEN_PIXELS // 2) // TOKEN_PIXELS * TOKEN_PIXELS


def read_size(fields: Fields) -> tuple[int, int] | None:
    """Read ``height`` and ``width`` of an object and round them to what the model can make."""
    problems = fields.problems
    height, width = _read_side(fields, "height"), _read_side(fields, "width")
    given = [key for key in ("height", "width") if fields.data.get(key) is not None]
    if len(given) == 1:
        problems.error(fields.path, f"names a {given[0]} only; a size needs height and width")
    if height is None or width is None:
        return None
    size = round_side(height), round_side(width)
    if size != (height, width):
        say = problems.error if problems.strict else problems.warn
        message = (
            f"{height} x {width} (height x width) is not a multiple of {TOKEN_PIXELS}; "
            f"rendered as {size[0]} x {size[1]}"
        )
        say(fields.path, message, [height, width])
    return size


def _read_side(fields: Fields, key: str) -> int | None:
    pixels = fields.integer(key)
    fault = side_fault(pixels) if pixels is not None else ""
    if fault:
        fields.problems.error(fields.path_of(key), fault, pixels)
    return None if fault else pixels
