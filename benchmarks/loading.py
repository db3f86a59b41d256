"""How long full-size weights take to load, and how much memory of the host.

    python benchmarks/loading.py --folder /tmp/rushes-loading --json benchmarks/results/loading.json

A checkpoint with the shapes of a preset's diffusion transformer and random values is written in the
public layout (``generator``, names with ``model.``), loaded strictly, imported, and loaded again
from what was imported. Every step is a process of its own, and every weight is looked at, so that
mapped files count. The folder needs twice the size of the checkpoint and is deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from public_weights import write_checkpoint
from rushes.models.checkpoint import load_strictly, read_state_dict
from rushes.models.dit import CausalDit
from rushes.presets.preset import Preset, load_preset
from rushes.rendering.manifest import versions
from rushes.weights.convert import import_weights
from rushes.weights.networks import dit_config

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def empty_dit(preset: Preset) -> CausalDit:
    with torch.device("meta"):
        return CausalDit(dit_config(preset))


def make(args: argparse.Namespace, preset: Preset) -> dict[str, Any]:
    path = args.folder / preset.weights.dit[0]
    write_checkpoint(path, empty_dit(preset), DTYPES[args.stored], "generator")
    return {"bytes": path.stat().st_size}


def load(args: argparse.Namespace, preset: Preset) -> dict[str, Any]:
    """Load strictly, in the dtype that is stored, then look at every weight."""
    path = args.folder / preset.weights.dit[0]
    if args.step == "load again":
        path = path.with_suffix(".safetensors")
    before = memory()["VmRSS"]
    begin = time.perf_counter()
    dit = empty_dit(preset)
    load_strictly(dit, read_state_dict(path), str(path))
    loaded = time.perf_counter() - begin
    for parameter in dit.parameters():
        parameter.view(-1)[:: 4096 // parameter.itemsize].sum()  # a value of every page
    found = memory()
    return {
        "seconds_until_loaded": loaded,
        "seconds_until_all_was_read": time.perf_counter() - begin,
        "parameters": sum(parameter.numel() for parameter in dit.parameters()),
        "tensors": len(dit.state_dict()),
        "host_bytes_before": before,
        "peak_host_bytes": found["VmHWM"],
        "of_them_not_of_a_mapped_file": found["RssAnon"],
    }


def convert(args: argparse.Namespace, preset: Preset) -> dict[str, Any]:
    begin = time.perf_counter()
    import_weights(args.folder / preset.weights.dit[0], preset, args.folder)
    found = memory()
    return {
        "seconds": time.perf_counter() - begin,
        "peak_host_bytes": found["VmHWM"],
        "of_them_not_of_a_mapped_file": found["RssAnon"],
    }


STEPS = {"make": make, "load": load, "import": convert, "load again": load}


def memory() -> dict[str, int]:
    """Return what Linux says of this process's memory, in bytes."""
    status = Path("/proc/self/status").read_text()
    return {name: int(count) * 1024 for name, count in re.findall(r"(\w+):\s+(\d+) kB", status)}


def processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{found[1] if found else platform.machine()}, {os.cpu_count()} cores"


def run_step(step: str, args: argparse.Namespace) -> dict[str, Any]:
    options = ["--folder", str(args.folder), "--preset", args.preset, "--stored", args.stored]
    result = subprocess.run(
        [sys.executable, __file__, "--step", step, *options], stdout=subprocess.PIPE, check=True
    )
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time and memory of loading full-size weights.")
    parser.add_argument("--folder", type=Path, required=True, help="to make files in")
    parser.add_argument("--preset", default="streamdiffusionv2-1.3b")
    parser.add_argument("--stored", choices=DTYPES, default="float32", help="in the checkpoint")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    if args.step:
        print(json.dumps(STEPS[args.step](args, load_preset(args.preset))))
        return
    args.folder.mkdir(parents=True)
    try:
        figures = {step: run_step(step, args) for step in STEPS}
    finally:
        shutil.rmtree(args.folder)
    size = figures["make"]["bytes"]
    for step in ("load", "import", "load again"):
        share = figures[step]["peak_host_bytes"] / size
        seconds = figures[step].get("seconds_until_loaded", figures[step].get("seconds"))
        print(f"{step:12} {seconds:8.2f} s, peak {share:.2f} of the file of {size / 1e9:.2f} GB")
    if args.json:
        known = {"preset": args.preset, "stored": args.stored, "processor": processor()}
        figures |= {**known, "versions": versions()}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
