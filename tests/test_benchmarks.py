"""The benchmark of the stages runs on any machine, at a size that takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys

from checkout import ROOT


def test_every_stage_is_measured_beside_its_floor() -> None:
    sources = os.pathsep.join(str(ROOT / name) for name in ("renderer", "queue"))
    size = ("--size", "64x64", "--chunks", "1", "--warmup", "1")
    result = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "stages.py"), *size, "--gpu", "h100"],
        env=os.environ | {"PYTHONPATH": sources},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    rows = {line[:12].strip(): line[12:].split() for line in result.stdout.splitlines()}
    for stage in ("read", "encode", "denoise", "clean pass", "decode", "write", "together"):
        assert float(rows[stage][0]) > 0, result.stdout
    for stage in ("encode", "denoise", "clean pass", "decode", "together"):
        assert float(rows[stage][1]) >= 0
    assert "frames a second" in result.stdout
