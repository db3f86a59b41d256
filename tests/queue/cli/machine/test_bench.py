"""``rushes bench``: measured, counted, in several processes, and against another package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from checkout import ROOT
from rushes_queue.cli import app
from rushes_queue.cli.machine.bench import _without_option

SHORT = ("--preset", "tiny", "--size", "64x64", "--chunks", "1", "--warmup", "1")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["bench", *arguments])


def test_stages_and_frames_a_second_are_printed() -> None:
    result = run(*SHORT, "--steps", "700", "--vae", "tae")
    assert result.exit_code == 0, result.output
    rows = {line[:12].strip(): line.split() for line in result.stdout.splitlines()}
    for stage in ("read", "encode", "denoise", "clean pass", "decode", "write", "together"):
        assert float(rows[stage][-1]) >= 0
    assert "frames/s (" in result.stdout
    assert "tiny, 64x64, steps 700, tae, 2 blocks, cpu, float32" in result.stderr


def test_counts_need_no_weights() -> None:
    found: dict[str, Any] = json.loads(run(*SHORT, "--count", "--json").stdout)
    assert found["total"]["launches"] == sum(s["launches"] for s in found["stages"].values())
    assert run(*SHORT, "--count").stdout.count("\n") == len(found["stages"]) + 3


def test_processes_are_added_up() -> None:
    """Each is a process of its own, on a CPU as on a GPU."""
    sources = os.pathsep.join(str(ROOT / name) for name in ("renderer", "queue"))
    result = subprocess.run(
        [sys.executable, "-m", "rushes_queue", "bench", *SHORT, "--gpus", "2", "--json"],
        env=os.environ | {"PYTHONPATH": sources},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    each = [process["frames_per_second"] for process in found["processes"]]
    assert len(each) == 2
    assert found["frames_per_second"] == pytest.approx(sum(each))


def test_what_is_said_to_the_processes_leaves_out_what_is_decided_here() -> None:
    given = ["bench", "--gpus", "2", "--preset", "tiny", "--device=cuda", "--json", "--chunks", "3"]
    kept = ["bench", "--preset", "tiny", "--chunks", "3"]
    assert _without_option(given, ("--gpus", "--device")) == kept


@pytest.mark.skipif(find_spec("streamdiffusionv2") is not None, reason="the package is here")
def test_a_package_that_is_missing_is_named() -> None:
    result = run(*SHORT, "--against", "streamdiffusionv2")
    assert result.exit_code == 3, result.output
    assert "streamdiffusionv2 is not installed here" in result.stderr
