"""How long the command line takes to answer: ``rushes --help`` and ``rushes check``.

    python benchmarks/startup.py

Prints the median wall time of each over several runs, beside that of an empty Python.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 7
TIMELINE = Path(__file__).parents[1] / "timelines" / "evolution.json"


def median_seconds(command: list[str]) -> float:
    """Run a command several times, once before to warm the disk, and return the median time."""
    times: list[float] = []
    for _ in range(RUNS + 1):
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def main() -> None:
    rushes = [sys.executable, "-c", "from rushes_queue.cli import main; main()"]
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "rushes --help": [*rushes, "--help"],
        "rushes render --help": [*rushes, "render", "--help"],
        "rushes check evolution.json": [*rushes, "check", str(TIMELINE)],
    }
    for name, command in commands.items():
        print(f"{name:30} {median_seconds(command) * 1000:7.0f} ms")


if __name__ == "__main__":
    main()
