"""How long the command line takes to answer, and a render until its first chunk is there.

    python benchmarks/startup.py [--runs 7] [--json benchmarks/results/startup.json]

Prints the median wall time and the processor time of each over several runs, beside those of an
empty Python. The first chunk is one of the pocket model: with prompts that were encoded before,
and with new ones.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TIMELINE = Path(__file__).parents[1] / "timelines" / "evolution.json"
FIRST_CHUNK = """
import sys
from rushes.files.read_ahead import read_torch_ahead
read_torch_ahead()
import rushes
from rushes.files.folders import Folders
from rushes.files.machine_folders import machine_folders
from dataclasses import replace
from pathlib import Path
folders = replace(machine_folders(), cache=Path(sys.argv[1]))
timeline = rushes.load_timeline(sys.argv[2])
chunks = rushes.frames(timeline, preset="pocket", mode="text", folders=folders)
next(iter(chunks))
"""


def run(command: list[str]) -> tuple[float, float]:
    """Run a command; return the seconds of the clock and of the processor."""
    begin, before = time.perf_counter(), os.times()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system
    return time.perf_counter() - begin, used - before.children_user - before.children_system


def commands(cache: Path) -> dict[str, list[str]]:
    """Return what is measured; ``{new}`` becomes a folder that is empty in each run."""
    rushes = [sys.executable, "-c", "from rushes_queue.cli import main; main()"]
    first = [sys.executable, "-c", FIRST_CHUNK]
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import torch": [sys.executable, "-c", "import torch"],
        "rushes --help": [*rushes, "--help"],
        "rushes render --help": [*rushes, "render", "--help"],
        "rushes check evolution.json": [*rushes, "check", str(TIMELINE)],
        "rushes plan evolution.json": [*rushes, "plan", str(TIMELINE), "--preset", "pocket"],
        "first chunk, known prompts": [*first, str(cache), str(TIMELINE)],
        "first chunk, new prompts": [*first, "{new}", str(TIMELINE)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a command takes to answer.")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, command in commands(Path(folder) / "known").items():
            times = []
            for index in range(args.runs + 1):  # once before, to warm the disk and the cache
                new = str(Path(folder) / f"new-{index}")
                times.append(run([part.replace("{new}", new) for part in command]))
            wall, processor = (statistics.median(column) for column in zip(*times[1:], strict=True))
            figures[name] = {"wall_s": round(wall, 3), "processor_s": round(processor, 3)}
            print(f"{name:30} {wall * 1000:7.0f} ms, of the processor {processor * 1000:6.0f}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
