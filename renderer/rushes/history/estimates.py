"""How long a plan will take, and how large its video will be, by what was measured before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from rushes.history.rates import Kind, Rate
from rushes.timeline.plan.render_plan import RenderPlan


@dataclass(frozen=True)
class Estimate:
    """What a plan needs on one device, by so many ``renders`` of its preset.

    ``measured_at`` is the width and height of those, where it is not the plan's and the time was
    scaled.
    """

    device: str
    dtype: str
    seconds: float
    num_bytes: int | None
    renders: int
    measured_at: tuple[int, int] | None = None


def estimate(plan: RenderPlan, preset: str, rates: Iterable[Rate]) -> list[Estimate]:
    """Return an estimate for each device that rendered with the preset, the fastest first.

    Without a render of the plan's own size and steps the one nearest in size is scaled: the time of
    a frame goes with its pixels, and with the passes of its chunk, the clean one among them.
    """
    steps = round(median(len(chunk.denoising_steps) for chunk in plan.chunks))
    nearest: dict[tuple[str, str], tuple[tuple[float, int], Rate]] = {}
    for rate in rates:
        kind = rate.kind
        if kind.preset == preset and kind.vae_type == plan.vae_type:
            distance = abs(_work(kind) / _work_of(plan, steps) - 1), -len(rate.seconds)
            place = kind.device, kind.dtype
            if place not in nearest or distance < nearest[place][0]:
                nearest[place] = distance, rate
    found = [_scaled(plan, steps, rate) for _, rate in nearest.values()]
    return sorted(found, key=lambda each: each.seconds)


def _scaled(plan: RenderPlan, steps: int, rate: Rate) -> Estimate:
    kind = rate.kind
    more_work = _work_of(plan, steps) / _work(kind)
    more_pixels = plan.width * plan.height / (kind.width * kind.height)
    size = rate.bytes_per_frame
    return Estimate(
        device=kind.device,
        dtype=kind.dtype,
        seconds=rate.seconds_per_frame * more_work * plan.num_frames_made,
        num_bytes=None if size is None else round(size * more_pixels * plan.num_frames),
        renders=len(rate.seconds),
        measured_at=None if more_work == 1 else (kind.width, kind.height),
    )


def _work(kind: Kind) -> int:
    return kind.width * kind.height * (kind.steps + 1)


def _work_of(plan: RenderPlan, steps: int) -> int:
    return plan.width * plan.height * (steps + 1)
