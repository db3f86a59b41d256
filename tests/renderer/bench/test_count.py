"""What a chunk of the 1.3B preset costs a GPU; a figure that grows is a fault."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from rushes.bench.count import count_chunk
from rushes.errors import ConfigError
from rushes.presets.preset import load_preset

PRESET = "streamdiffusionv2-1.3b"
RECORDED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("counts.json").read_text()
)
CASES: dict[str, dict[str, Any]] = {
    "video": {},
    "video-512": {"size": (512, 512)},
    "text": {"mode": "text"},
    "transition": {"in_transition": True},
    "lightvae": {"vae_type": "lightvae"},
    "tae": {"vae_type": "tae"},
    "lighttae": {"vae_type": "lighttae"},
    "ring": {"profile": "upstream"},
    "recache": {"preset": "longlive", "mode": "text"},
    "bank": {"preset": "memflow", "mode": "text"},
    "ema-sink": {"preset": "reward-forcing", "mode": "text"},
    "rebuilt": {"preset": "krea-realtime-14b", "mode": "text"},
    "clip": {"preset": "self-forcing", "mode": "text"},
    "step-window": {"preset": "causal-forcing-long", "mode": "text"},
}
SHORT = ("video",)


def measured(case: str) -> dict[str, Any]:
    """Return the figures of a case, as they are recorded."""
    options = dict(CASES[case])
    count = count_chunk(load_preset(options.pop("preset", PRESET)), **options)
    total = count.total
    return {
        "block": count.block,
        "passes": list(count.passes),
        "launches": total.launches,
        "stages": {name: counts.launches for name, counts in sorted(count.stages.items())},
        "gigabytes": round(total.bytes / 1e9, 1),
        "uploads": total.uploads,
        "blocking_uploads": total.blocking_uploads,
        "downloads": total.downloads,
        "blocking_downloads": total.blocking_downloads,
        "host_ops": total.host_ops,
    }


@pytest.mark.parametrize(
    "case",
    [case if case in SHORT else pytest.param(case, marks=pytest.mark.long) for case in CASES],
)
def test_a_chunk_costs_no_more_than_recorded(case: str) -> None:
    """``python tests/renderer/bench/test_count.py [CASE ...]`` records the figures of now."""
    found, recorded = measured(case), RECORDED[case]
    grown = {
        name: (recorded[name], value)
        for name, value in found.items()
        if isinstance(value, int | float) and value > recorded[name]
    }
    assert not grown, f"of (recorded, now) these grew: {grown}"
    assert len(found["passes"]) == len(recorded["passes"])
    assert max(found["passes"]) <= max(recorded["passes"])


def test_a_cache_that_reads_numbers_from_the_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="profile upstream-exact cannot be counted"):
        count_chunk(load_preset(PRESET), profile="upstream-exact")


def main() -> None:
    figures = dict(RECORDED)
    for case in sys.argv[1:] or CASES:
        figures[case] = measured(case)
        print(case, figures[case], flush=True)
    Path(__file__).with_name("counts.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
