"""A plan is plain data that survives JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from renders.plans import (
    block,
    document,
    plan,
)
from rushes.errors import ConfigError
from rushes.presets.preset import Preset
from rushes.timeline.plan.render_plan import RenderPlan


class TestPlanData:
    def rich_plan(self, preset: Preset) -> RenderPlan:
        ext = {
            "audio": {"uri": "a.wav", "offset": 1.5},
            "output": {"fps": "30000/1001", "crf": 20},
            "schedules": {"noise_scale": "0: (0.8), 100: (0.3)"},
        }
        loras = [{"path": "/x/paper.safetensors", "scale": 0.1}]
        blocks = block(0, 2.1, "a"), block(2.1, 4, "b", transitionSteps=3)
        return plan(document(*blocks, ext=ext, loras=loras), preset)

    def test_it_survives_json_exactly(self, preset: Preset) -> None:
        made = self.rich_plan(preset)
        assert RenderPlan.from_dict(json.loads(json.dumps(made.to_dict()))) == made

    def test_its_json_has_the_agreed_names(self, preset: Preset) -> None:
        data = self.rich_plan(preset).to_dict()
        assert data["fps"] == pytest.approx(29.97, abs=1e-3)
        assert data["fps_exact"] == "30000/1001"
        assert {"num_frames", "num_chunks", "width", "height", "warnings", "chunks"} <= set(data)
        assert {
            "index",
            "first_frame",
            "num_frames",
            "prompt_block",
            "transition",
            "reset",
            "seed",
            "position",
            "noise_scale",
            "denoising_steps",
            "time",
        } <= set(data["chunks"][0])

    @pytest.mark.parametrize("data", [{}, {"chunks": 3}, []], ids=str)
    def test_other_data_is_refused(self, data: Any) -> None:
        with pytest.raises(ConfigError, match="not a render plan"):
            RenderPlan.from_dict(data)
