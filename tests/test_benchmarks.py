"""The check of a GPU runs on any machine, in a form that takes seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from checkout import ROOT


def test_the_check_of_a_gpu_runs_on_a_cpu(tmp_path: Path) -> None:
    """What is compared is right here, and every line of the table is measured."""
    sources = os.pathsep.join(str(ROOT / name) for name in ("renderer", "queue"))
    short = ("--device", "cpu", "--preset", "tiny", "--sizes", "64x64", "--formats", "bfloat16")
    lines = (
        "--steps",
        "700/700,500",
        "--vae",
        "tae",
        "--takes",
        "1,2",
        "--ways",
        "graphs+overlaps",
    )
    written = tmp_path / "cpu.json"
    result = subprocess.run(
        [
            *(sys.executable, str(ROOT / "benchmarks" / "gpu_check.py")),
            *(*short, *lines, "--chunks", "1", "--warmup", "1", "--json", str(written)),
        ],
        env=os.environ | {"PYTHONPATH": sources},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert result.returncode == 0, result.stderr
    figures = json.loads(written.read_text())
    assert figures["checked"]["tiny"]["float32"] == 0
    assert figures["checked"]["tiny"]["bfloat16"] > 0
    table = figures["table"]
    assert figures["checked"]["replayed"] == 0
    assert [(len(line["steps"]), line["takes"], line["graphs"]) for line in table] == [
        (1, 1, False),
        (1, 1, True),
        (1, 2, False),
        (2, 1, False),
        (2, 1, True),
        (2, 2, False),
    ]
    assert all(line["frames_per_second"] > 0 for line in table)
    probed = [line["chunk"] for line in table if line["takes"] == 1 and not line["graphs"]]
    assert 0 < probed[0]["operations"] < probed[1]["operations"]
