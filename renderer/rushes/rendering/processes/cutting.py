"""Where a plan can be cut: into sections that know nothing of each other's latents."""

from __future__ import annotations

from itertools import pairwise

from rushes.timeline.plan.render_plan import RenderPlan


def cut_sections(plan: RenderPlan) -> list[range]:
    """Return the chunks of each section, by index.

    A section begins where the caches are reset, but not where a clip goes on from the end of the
    one before.
    """
    starts = [chunk.index for chunk in plan.chunks if chunk.reset and not chunk.is_carried_over]
    return [range(start, end) for start, end in pairwise([*starts, len(plan.chunks)])]
