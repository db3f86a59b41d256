"""The long form of the tests of the farm: ``make chaos``.

Its parts are random runs, in which workers are mistreated at random instants, and the tests of
running farms with faults of full length, on a folder and on a bucket. All of them run unless some
are named: ``python -m farm.chaos freeze faults``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table

from checkout import ROOT
from farm.havoc import ALL_FAULTS, CHUNKS, FAULTS, wreak_havoc
from farm.long_form import VARIABLE
from farm.s3_server import bucket_settings

SCENARIOS = "faults"
_FILES = (
    "tests/integration",
    "tests/queue/farm/test_reconcile.py",
    "tests/queue/cli/jobs/test_fetch.py",
    "tests/queue/cli/test_commands_on_s3.py",
)
_SECONDS_A_SCENARIO = 1800  # at most


@dataclass(frozen=True)
class RandomRun:
    """So many faults of these kinds while so many jobs are rendered."""

    jobs: int
    faults: int
    kinds: tuple[str, ...] = FAULTS
    on_bucket: bool = False
    chunks: int = CHUNKS
    with_enemies: bool = False


RANDOM_RUNS = {
    "kill": RandomRun(50, 200, ("kill child", "kill worker")),
    "terminate": RandomRun(20, 80, ("terminate",)),
    "freeze": RandomRun(60, 40, ("freeze",)),
    "mixed": RandomRun(20, 80),
    "bucket": RandomRun(20, 80, on_bucket=True),
    "soak": RandomRun(300, 240, ALL_FAULTS, chunks=20, with_enemies=True),
}


def run_at_random(run: RandomRun, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Carry out a random run; return its figures."""
    with bucket_settings() if run.on_bucket else nullcontext() as settings:
        outcome = wreak_havoc(
            num_jobs=run.jobs,
            num_faults=run.faults,
            kinds=run.kinds,
            chunks=run.chunks,
            with_enemies=run.with_enemies,
            seed=seed,
            settings=settings,
            say=say,
        )
    return {"is_good": outcome.is_good, **asdict(outcome)}


def run_scenarios(arguments: list[str]) -> dict[str, Any]:
    """Run the integration tests at full length; return how each one ended."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        begin = time.monotonic()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", *_FILES, "-m", "", "--verbosity=1"),
                *("-o", f"timeout={_SECONDS_A_SCENARIO}", f"--junitxml={report}", *arguments),
            ],
            cwd=ROOT,
            env=os.environ | {VARIABLE: "1", "OMP_NUM_THREADS": "1"},
            check=False,
        )
        cases = list(ElementTree.parse(report).iter("testcase"))
    return {
        "is_good": done.returncode == 0,
        "scenarios": {
            case.attrib["name"]: {
                "how": case[0].tag if len(case) else "passed",
                "seconds": round(float(case.attrib["time"]), 1),
            }
            for case in cases
            if "name" in case.attrib  # one that was interrupted has none
        },
        "seconds": time.monotonic() - begin,
    }


def table_of(parts: dict[str, dict[str, Any]]) -> Table:
    """Return one table of everything: a row for each random run and each scenario."""
    table = Table(
        *("what", "jobs", "faults", "done", "lost", "published twice", "other frames"),
        *("after more attempts", "attempts", "seconds", "result"),
    )
    counts = ("done", "lost", "published_twice", "different_frames", "done_after_more", "attempts")
    for name, part in parts.items():
        for scenario, found in part.get("scenarios", {}).items():
            blank = [""] * (len(counts) + 2)
            table.add_row(scenario, *blank, f"{found['seconds']:.0f}", found["how"])
        if "jobs" in part:
            figures = (part["jobs"], sum(part["faults"].values()), *map(part.get, counts))
            result = "good" if part["is_good"] else "BAD"
            table.add_row(name, *map(str, figures), f"{part['seconds']:.0f}", result)
    return table


def main() -> int:
    """Run the parts that the command line names, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = (*RANDOM_RUNS, SCENARIOS)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(names)}")
    parser.add_argument("--jobs", type=int, help="of each random run")
    parser.add_argument("--faults", type=int, help="of each random run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-k", metavar="EXPRESSION", help="choose scenarios, as pytest does")
    parser.add_argument("--output", type=Path, help="JSON file in which these parts are replaced")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(names):
        parser.error(f"there is no part {', '.join(unknown)}")
    console = Console()
    parts: dict[str, dict[str, Any]] = {}
    for name in options.parts or names:
        console.print(f"{name}:")
        if name == SCENARIOS:
            parts[name] = run_scenarios(["-k", options.k] if options.k else [])
        else:
            run = RANDOM_RUNS[name]
            run = replace(run, jobs=options.jobs or run.jobs, faults=options.faults or run.faults)
            parts[name] = run_at_random(run, options.seed, console.print)
        if options.output is not None:
            _write(options.output, {name: parts[name]})
    console.print(table_of(parts))
    console.print(f"{os.cpu_count()} cores")
    return 0 if all(part["is_good"] for part in parts.values()) else 1


def _write(file: Path, parts: dict[str, Any]) -> None:
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.write_text(json.dumps(before | parts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
