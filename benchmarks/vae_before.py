"""The Stream-VAE of this checkout and that of an earlier commit, in turns: processor time a chunk.

    OMP_NUM_THREADS=1 python benchmarks/vae_before.py --commit 2fea89c \
        --json benchmarks/results/vae-before.json

Both get the same random weights, pixels and latents, and run chunk by chunk on one thread. Printed
are the median milliseconds of each size and the largest difference of the results, in shares of
their spread. The earlier modules are read from git, whatever folder they were in.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from public_weights import fill
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.stream_vae import StreamVAE, VaeConfig

ROOT = Path(__file__).parents[1]
# Width, residual blocks a level, height and width in pixels, chunks that are counted.
CASES = {
    "pocket": (8, 1, 80, 80, 30),
    "tiny": (4, 1, 256, 256, 8),
    "full width": (96, 2, 64, 64, 5),
}
_MODULES = ("stream_vae", "feature_cache", "snapshot")


def earlier_modules(commit: str, folder: Path) -> Any:
    """Write the modules of a commit into a folder under other names, and import them."""
    for name in _MODULES:
        text = _of_commit(commit, name)
        for other in _MODULES:
            for home in ("rushes.models", "rushes.models.caches"):
                text = text.replace(f"from {home}.{other} import", f"from earlier_{other} import")
        (folder / f"earlier_{name}.py").write_text(text)
    sys.path.insert(0, str(folder))
    return tuple(importlib.import_module(f"earlier_{name}") for name in _MODULES)


def _of_commit(commit: str, name: str) -> str:
    files = _git("ls-tree", "-r", "--name-only", commit, "renderer").splitlines()
    (path,) = (file for file in files if file.endswith(f"/{name}.py"))
    return _git("show", f"{commit}:{path}")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


@torch.inference_mode()
def compare(earlier: Any, case: str) -> dict[str, float]:
    """Run both by turns; the first two chunks are not counted."""
    earlier_vae, earlier_cache, _ = earlier
    dim, num_blocks, height, width, count = CASES[case]
    with torch.device("meta"):
        before = earlier_vae.StreamVAE(earlier_vae.VaeConfig(dim=dim, num_res_blocks=num_blocks))
        now = StreamVAE(VaeConfig(dim=dim, num_res_blocks=num_blocks))
    before = fill(before, torch.float32)
    now.load_state_dict(copy.deepcopy(before.state_dict()), assign=True)
    now.requires_grad_(False).arrange_weights()
    sides = {
        "before": (before, earlier_cache.FeatureCache(), earlier_cache.FeatureCache()),
        "now": (now, FeatureCache(), FeatureCache()),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    difference, generator = 0.0, torch.Generator().manual_seed(0)
    for chunk in range(count + 2):
        frames, latents = (5, 2) if chunk == 0 else (4, 1)
        pixels = torch.randn(1, frames, 3, height, width, generator=generator).clamp(-1, 1)
        z = torch.randn(1, latents, 16, height // 8, width // 8, generator=generator)
        results = {}
        for name, (vae, encoder, decoder) in sides.items():
            begin = time.process_time()
            results[name] = (vae.encode(pixels, encoder, normalise=False), vae.decode(z, decoder))
            seconds[name].append(time.process_time() - begin)
        for a, b in zip(*results.values(), strict=True):
            difference = max(difference, float((a - b).abs().max() / a.std()))
    medians = {name: statistics.median(values[2:]) * 1000 for name, values in seconds.items()}
    return {
        "before_ms": round(medians["before"], 2),
        "now_ms": round(medians["now"], 2),
        "ratio": round(medians["before"] / medians["now"], 3),
        "largest_difference": difference,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="The Stream-VAE beside that of a commit.")
    parser.add_argument("--commit", default="2fea89c")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, Any] = {"commit": args.commit, "torch": torch.__version__}
    with tempfile.TemporaryDirectory() as folder:
        earlier = earlier_modules(args.commit, Path(folder))
        for case in args.cases.split(","):
            figures[case] = found = compare(earlier, case)
            print(case, json.dumps(found))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
