"""Small timelines for tests of the farm: a few chunks of few pixels."""

from __future__ import annotations

import json
from pathlib import Path

SIDE = 64  # pixels
FPS = 16


def write_shot(path: Path, *, chunks: int = 6, seed: int = 1) -> Path:
    """Write a text-to-video timeline with two prompts that makes so many chunks."""
    seconds = (5 + 4 * (chunks - 1)) / FPS
    half = seconds / 2
    document = {
        "prompts": [
            {"startTime": 0, "endTime": half, "prompts": [{"text": "a cat", "weight": 100}]},
            {
                "startTime": half,
                "endTime": seconds,
                "prompts": [{"text": "a fish", "weight": 100}],
                "transitionSteps": 2,
                "temporalInterpolationMethod": "linear",
            },
        ],
        "settings": {
            "pipelineId": "streamdiffusionv2",
            "inputMode": "text",
            "resolution": {"height": SIDE, "width": SIDE},
            "seed": seed,
            "denoisingSteps": [700, 500],
            "manageCache": False,
        },
        "version": "2.1",
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
