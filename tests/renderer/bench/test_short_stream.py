"""The stream that is measured: as many chunks as asked for, of the preset's own length."""

from __future__ import annotations

import pytest

from rushes.bench.short_stream import plan_chunks
from rushes.presets.preset import load_preset


@pytest.mark.parametrize("preset", ["tiny", "streamdiffusionv2-1.3b", "longlive"])
def test_a_plan_has_the_chunks_and_the_size(preset: str) -> None:
    plan = plan_chunks(load_preset(preset), (96, 64), None, 4, "tae", seed=3)
    assert (plan.width, plan.height, plan.vae_type) == (96, 64, "tae")
    assert len(plan.chunks) == 4
    assert plan.chunks[0].seed == 3
    assert plan.chunks[-1].noise_scale is not None
