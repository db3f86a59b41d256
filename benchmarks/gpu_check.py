"""Check that a GPU computes what the CPU does, then measure it.

    python benchmarks/gpu_check.py                      # 1.3B at 832x480 and 512x512, 1, 2, 4 steps
    python benchmarks/gpu_check.py --preset streamdiffusionv2-14b --formats fp8

Nothing but a checkout is needed: weights are random. On the first GPU it compares, with a small and
with a wide network, every stage of a short stream in float32 with the CPU, bfloat16 and fp8 with
float32, replayed steps (CUDA graphs) and overlapping chunks with the plain path, each attention
kernel that is installed with the plain one, and the noise that the GPU draws with that of
``--noise cuda``. Anything that is too far off ends it with exit code 1 before time is spent on
figures. Then it measures, for each size, autoencoder, number of steps and number of takes, plainly
and with graphs and overlap, frames a second, each stage, the share of the floor, and the peak
memory beside its estimate; the launches of a chunk as the profiler sees them, and how often the
host waits; and each attention kernel at the real sizes. After every line of the table the result is
written: ``benchmarks/results/gpu-NAME.json``, with the GPU, all versions and the commit.

A quick trial of the script itself on a CPU, with tiny shapes:

    python benchmarks/gpu_check.py --device cpu --preset tiny --sizes 64x64 --chunks 1 --warmup 1
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from gpu_probe import probe
from noise_check import check_noise
from public_weights import fill
from rushes.bench.measure import BenchOptions, measure
from rushes.memory.estimate import estimate_memory
from rushes.models.attention import SDPA, attend_plainly, chosen_kernel, load_kernel
from rushes.models.autoencoder import Autoencoder
from rushes.models.dit import CausalDit
from rushes.models.quantise import quantise_blocks
from rushes.models.stream_vae import StreamVAE
from rushes.presets.kinds import VaeType
from rushes.presets.preset import Preset, load_preset
from rushes.rendering.manifest import versions
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stream import Models
from rushes.weights.autoencoders import empty_autoencoder
from rushes.weights.device import choose_device, device_name
from rushes.weights.networks import dit_config
from short_stream import render_chunks

CPU = torch.device("cpu")
FORMATS = ("bfloat16", "fp8")
KERNELS = ("flash-attn 3", "flash-attn 2", SDPA)
# What two correct computations may differ by, in shares of the spread of the frames. Float32 on a
# GPU adds in another order; bfloat16 and fp8 keep 8 and 4 bits of every value.
LIMITS = {"float32": 0.01, "bfloat16": 0.1, "fp8": 0.2}
KERNEL_LIMIT = 0.02  # of values of about 1, in bfloat16
_CHECKED_SIZE = (64, 64)
_REPLAYED = 12  # chunks: the window is full, and steps have been captured


def random_models(
    preset: Preset,
    device: torch.device,
    form: str,
    num_blocks: int | None,
    vae_type: VaeType = "wan",
) -> Models:
    """Return networks with the same random weights whatever the device and the format."""
    dtype = torch.float32 if form == "float32" else torch.bfloat16
    config = dit_config(preset)
    with torch.device("meta"):
        dit = CausalDit(replace(config, num_layers=num_blocks or config.num_layers))
    dit = fill(dit, torch.float32)
    vae = fill(empty_autoencoder(preset, vae_type), torch.float32).to(device, dtype)
    if isinstance(vae, StreamVAE):
        vae.arrange_weights()
    if form == "fp8":
        dit = quantise_blocks(dit, device, dtype)
    return Models(
        dit=dit if form == "fp8" else dit.to(device, dtype),
        vae=cast("Autoencoder", vae),
        schedule=FlowSchedule(shift=preset.schedule.shift),
        normalise_encoded=preset.vae.normalise_encoded,
        device=device,
        dtype=dtype,
    )


def check_frames(preset: Preset, device: torch.device, num_blocks: int | None) -> dict[str, Any]:
    """Render two chunks in every format and compare them with float32 on the CPU.

    Returns by format the rms difference of frames, over the spread of the right ones.
    """

    def frames(on: torch.device, form: str) -> Tensor:
        models = random_models(preset, on, form, num_blocks)
        return render_chunks(models, preset, _CHECKED_SIZE, (700, 500), 2).float()

    right = frames(CPU, "float32")
    return {
        form: float((frames(device, form) - right).square().mean().sqrt() / right.std())
        for form in LIMITS
    }


def check_replays(preset: Preset, device: torch.device, num_blocks: int | None) -> float:
    """Compare frames whose steps are replayed, chunks overlapping, with those of the plain path.

    Returns the rms difference over the spread, in float32 and over a window that is full.
    """
    models = random_models(preset, device, "float32", num_blocks)
    plain, replayed = (
        render_chunks(models, preset, _CHECKED_SIZE, (700, 500), _REPLAYED, replays=replays).float()
        for replays in (False, True)
    )
    return float((replayed - plain).square().mean().sqrt() / plain.std())


def check_kernels(device: torch.device) -> dict[str, float]:
    """Return the largest difference of each kernel that is here to the plain one in float32."""
    found: dict[str, float] = {}
    q, k, v = operands(device, queries=100, keys=300, heads=2, width=128)
    right = attend_plainly(q.float(), k.float(), v.float())
    for name in KERNELS:
        kernel = load_kernel(name)
        if kernel is not None:
            found[name] = float((kernel(q, k, v).float() - right).abs().max())
    return found


def measure_kernels(
    preset: Preset, device: torch.device, size: tuple[int, int]
) -> dict[str, float]:
    """Return the milliseconds of a block's self-attention with a full window, by kernel."""
    config = dit_config(preset)
    tokens = size[0] * size[1] // 256 * preset.chunk.latent_frames
    keys = tokens // preset.chunk.latent_frames * preset.chunk.window
    q, k, v = operands(device, tokens, keys, config.num_heads, config.head_dim)
    found: dict[str, float] = {}
    for name in KERNELS:
        kernel = load_kernel(name)
        if kernel is None:
            continue
        kernel(q, k, v)
        synchronise(device)
        begin, rounds = time.perf_counter(), 20 if device.type == "cuda" else 1
        for _ in range(rounds):
            kernel(q, k, v)
        synchronise(device)
        found[name] = (time.perf_counter() - begin) * 1000 / rounds
    return found


def operands(
    device: torch.device, queries: int, keys: int, heads: int, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def random(length: int) -> Tensor:
        values = torch.randn(1, length, heads, width, generator=generator)
        return values.to(device, torch.bfloat16)

    return random(queries), random(keys), random(keys)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure_case(
    preset: Preset, device: torch.device, form: str, options: BenchOptions, *, probes: bool
) -> dict[str, Any]:
    """Return the figures of one line of the table; with ``probes`` also launches and waits."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    models = random_models(preset, device, form, None, options.vae_type or "wan")
    found = measure(preset, options, models)
    estimate = estimate_memory(
        preset,
        *options.size,
        vae_type=options.vae_type or "wan",
        quantise="fp8" if form == "fp8" else None,
        takes=options.takes,
    )
    found["estimated_memory"] = estimate.at_ease
    if probes:
        found["chunk"] = probe(models, preset, options)
    return found


def cases(args: Namespace, device: torch.device) -> Iterator[tuple[str, BenchOptions]]:
    """Yield the lines of the table: format and options."""
    for size in args.sizes.split(","):
        for form in args.formats.split(","):
            for vae_type in args.vae.split(","):
                for steps in args.steps.split("/"):
                    for takes in map(int, args.takes.split(",")):
                        width, height = map(int, size.split("x"))
                        options = BenchOptions(
                            device,
                            torch.bfloat16,
                            size=(width, height),
                            steps=tuple(map(int, steps.split(","))),
                            vae_type=vae_type,
                            takes=takes,
                            chunks=args.chunks,
                            warmup=args.warmup,
                        )
                        yield form, options
                        if takes > 1:  # rows share a network, which then runs plainly
                            continue
                        for way in filter(None, args.ways.split(",")):
                            chosen: dict[str, Any] = dict.fromkeys(way.split("+"), True)
                            yield form, replace(options, **chosen)


def check(preset: Preset, device: torch.device) -> tuple[dict[str, Any], list[str]]:
    """Return how far everything is off, and what is too far."""
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    tiny = load_preset("tiny")
    found: dict[str, Any] = {
        "tiny": check_frames(tiny, device, None),
        "two wide blocks": check_frames(preset, device, 2) if preset != tiny else {},
        "kernels": check_kernels(device),
    }
    found["replayed"] = check_replays(tiny, device, None)
    found["noise"], faults = check_noise(device)
    if not found["replayed"] <= LIMITS["float32"]:
        faults.append(f"replayed steps are off by {found['replayed']:.3f}")
    faults += [
        f"{network} in {form} is off by {error:.3f}, more than {LIMITS[form]}"
        for network in ("tiny", "two wide blocks")
        for form, error in found[network].items()
        if not error <= LIMITS[form]
    ]
    faults += [
        f"{name} is off by {error:.3f}, more than {KERNEL_LIMIT}"
        for name, error in found["kernels"].items()
        if not error <= KERNEL_LIMIT
    ]
    return found, faults


def commit() -> str:
    """Return the short hash of the checkout's commit."""
    result = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip() or "unknown"


def parse_arguments() -> Namespace:
    parser = argparse.ArgumentParser(description="Check a GPU against the CPU, then measure it.")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--preset", default="streamdiffusionv2-1.3b")
    parser.add_argument("--sizes", default="832x480,512x512", help="WIDTHxHEIGHT,...")
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--vae", default="wan,tae")
    parser.add_argument("--steps", default="700/700,500/750,600,500,400", help="700/700,500/...")
    parser.add_argument("--takes", default="1,2,4")
    parser.add_argument(
        "--ways", default="graphs,overlaps,graphs+overlaps", help="beside the plain one"
    )
    parser.add_argument("--chunks", type=int, default=12, help="that are counted")
    parser.add_argument("--warmup", type=int, default=10, help="chunks before them")
    parser.add_argument("--json", type=Path, help="instead of benchmarks/results/gpu-NAME.json")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    device, preset = choose_device(args.device), load_preset(args.preset)
    checked, faults = check(preset, device)
    print(json.dumps(checked, indent=1))
    if faults:
        sys.exit("\n".join(faults))
    sizes = [tuple(map(int, size.split("x"))) for size in args.sizes.split(",")]
    figures: dict[str, Any] = {
        "device": device_name(device),
        "preset": preset.name,
        "attention": chosen_kernel(device, torch.bfloat16)[0],
        "attention_ms": {
            f"{width}x{height}": measure_kernels(preset, device, (width, height))
            for width, height in sizes
        },
        "checked": checked,
        "versions": versions(),
        "commit": commit(),
        "table": [],
    }
    name = re.sub(r"[^a-z0-9]+", "-", device_name(device).lower()).strip("-")
    path = args.json or Path(__file__).parent / "results" / f"gpu-{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for form, options in cases(args, device):
        found = measure_case(preset, device, form, options, probes=options.takes == 1)
        figures["table"].append({"format": form, **found})
        path.write_text(json.dumps(figures, indent=1) + "\n")
        share = found["share_of_floor"]
        print(
            f"{found['size']} {form} {found['vae']} {len(found['steps'])} steps "
            f"{found['takes']} takes{' graphs' * found['graphs']}{' overlap' * found['overlaps']}: "
            f"{found['frames_per_second']:.2f} frames a second"
            + (f", {share:.0%} of the floor's" if share else "")
        )
    print(path)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
