"""CPU seconds of a chunk of video to video, here and at another commit, in turn.

    python benchmarks/chunk_cost.py --commit 2fea89c --json benchmarks/results/chunk-cost.json

Weights are random, on one thread in float32. Seconds are the process's own, from the difference of
a long and a short stream, so that neither start-up nor a window that fills counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
# Preset, number of blocks (all if None), size, whether there is an autoencoder, lengths in chunks.
Case = tuple[str, int | None, tuple[int, int], bool, tuple[int, int]]
CASES: dict[str, Case] = {
    "pocket, whole": ("pocket", None, (80, 80), True, (6, 16)),
    "pocket, network alone": ("pocket", None, (80, 80), False, (6, 26)),
    "tiny, network alone": ("tiny", None, (64, 64), False, (6, 36)),
    "two blocks of 1.3B, network alone": ("streamdiffusionv2-1.3b", 2, (256, 256), False, (7, 9)),
}
STEPS = (700, 500)


class NoAutoencoder:
    """Gives zeros of the right shape."""

    def encode(self, pixels: Any, cache: Any, normalise: bool) -> Any:
        height, width = pixels.shape[3:]
        return pixels.new_zeros(1, (pixels.shape[1] + 3) // 4, 16, height // 8, width // 8)

    def decode(self, latents: Any, cache: Any) -> Any:
        height, width = latents.shape[3:]
        return latents.new_zeros(1, 4 * latents.shape[1], 3, 8 * height, 8 * width)


def measure(case: str) -> float:
    """Return the CPU seconds of a chunk in the tree that is first on the path."""
    import torch

    short_stream = import_module("short_stream")
    tree: Any = import_module("two_blocks")  # whose names are the same in both trees
    torch.set_num_threads(1)
    preset_name, num_blocks, size, has_vae, lengths = CASES[case]
    preset = tree.load_preset(preset_name)
    config = tree.dit_config(preset)
    with torch.device("meta"):
        dit = tree.CausalDit(replace(config, num_layers=num_blocks or config.num_layers))
        vae = tree.StreamVAE(tree.vae_config(preset, "wan"))
    models: Any = tree.Models(
        dit=tree.fill(dit, torch.float32),
        vae=tree.fill(vae, torch.float32) if has_vae else NoAutoencoder(),
        schedule=tree.FlowSchedule(shift=preset.schedule.shift),
        normalise_encoded=preset.vae.normalise_encoded,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    used = []
    for count in (lengths[0], *lengths):  # the first warms up
        begin = time.process_time()
        short_stream.render_chunks(models, preset, size, STEPS, count)
        used.append(time.process_time() - begin)
    return (used[2] - used[1]) / (lengths[1] - lengths[0])


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """Check a commit out beside this tree until the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def measured_in(tree: Path, case: str) -> float:
    folders = (tree / name for name in ("benchmarks", "renderer", "queue"))
    result = subprocess.run(
        [sys.executable, "-P", __file__, "--measure", case],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))},
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(result.stdout)


def compare(there: Path, case: str, runs: int) -> dict[str, float]:
    """Measure in both trees in turn; milliseconds of a chunk, medians."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(runs):
        for name, tree in (("there", there), ("here", ROOT)):
            found[name].append(measured_in(tree, case) * 1000)
    ratios = [old / new for old, new in zip(found["there"], found["here"], strict=True)]
    return {name: round(median(values), 2) for name, values in found.items()} | {
        "ratio": round(median(ratios), 2)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU seconds of a chunk, here and before.")
    parser.add_argument("--commit", default="2fea89c")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--case", choices=CASES, action="append", help="some; all by default")
    parser.add_argument("--measure", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    if args.measure:
        print(measure(args.measure))
        return
    figures: dict[str, Any] = {"commit": args.commit, "runs": args.runs, "unit": "CPU ms a chunk"}
    with tree_of(args.commit) as there:
        for case in args.case or CASES:
            figures[case] = compare(there, case, args.runs)
            print(case, figures[case], flush=True)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
