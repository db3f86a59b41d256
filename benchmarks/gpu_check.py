"""Check that a GPU computes what the CPU does, then measure it.

    python benchmarks/gpu_check.py                      # 1.3B at 832x480 and 512x512, both formats
    python benchmarks/gpu_check.py --preset streamdiffusionv2-14b --formats fp8

Nothing but a checkout is needed: weights are random. On the first GPU it compares, with a small and
with a wide network, every stage of a short stream in float32 with the CPU, bfloat16 and fp8 with
float32, each attention kernel that is installed with the plain one, and the noise that the GPU
draws with that of ``--noise cuda``. Anything that is too far
off ends it with exit code 1 before time is spent on figures. Then it measures each stage, the
frames a second and the peak memory beside its estimate, and each kernel at the real sizes. The
result is ``benchmarks/results/gpu-NAME.json``, with the GPU, all versions and the commit.

A quick trial of the script itself on a CPU, with tiny shapes:

    python benchmarks/gpu_check.py --device cpu --preset tiny --sizes 64x64 --chunks 1 --warmup 1
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from noise_check import check_noise
from public_weights import fill
from rushes.memory.estimate import estimate_memory
from rushes.models.attention import SDPA, attend_plainly, chosen_kernel, load_kernel
from rushes.models.dit import CausalDit
from rushes.models.quantise import quantise_blocks
from rushes.models.stream_vae import StreamVAE
from rushes.presets.preset import Preset, load_preset
from rushes.rendering.manifest import peak_memory, versions
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stream import Models
from rushes.weights.autoencoders import vae_config
from rushes.weights.device import choose_device, device_name
from rushes.weights.networks import dit_config
from short_stream import render_chunks
from stages import commit, measure

CPU = torch.device("cpu")
FORMATS = ("bfloat16", "fp8")
KERNELS = ("flash-attn 3", "flash-attn 2", SDPA)
# What two correct computations may differ by, in shares of the spread of the frames. Float32 on a
# GPU adds in another order; bfloat16 and fp8 keep 8 and 4 bits of every value.
LIMITS = {"float32": 0.01, "bfloat16": 0.1, "fp8": 0.2}
KERNEL_LIMIT = 0.02  # of values of about 1, in bfloat16
_CHECKED_SIZE = (64, 64)


def random_models(
    preset: Preset, device: torch.device, form: str, num_blocks: int | None
) -> Models:
    """Return networks with the same random weights whatever the device and the format."""
    dtype = torch.float32 if form == "float32" else torch.bfloat16
    config = dit_config(preset)
    with torch.device("meta"):
        dit = CausalDit(replace(config, num_layers=num_blocks or config.num_layers))
        vae = StreamVAE(vae_config(preset, "wan"))
    dit = fill(dit, torch.float32)
    if form == "fp8":
        dit = quantise_blocks(dit, device, dtype)
    return Models(
        dit=dit if form == "fp8" else dit.to(device, dtype),
        vae=fill(vae, torch.float32).to(device, dtype),
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


def measure_stages(preset: Preset, device: torch.device, form: str, args: Namespace) -> Any:
    """Return milliseconds by stage, frames a second, and memory beside its estimate."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    models = random_models(preset, device, form, None)
    by_stage, together = measure(preset, models, args)
    width, height = map(int, args.size.split("x"))
    estimate = estimate_memory(preset, width, height, quantise="fp8" if form == "fp8" else None)
    return {
        "ms_per_chunk": by_stage,
        "ms_together": together,
        "frames_per_second": preset.chunk.num_frames("video", is_first=False) * 1000 / together,
        "peak_memory": peak_memory(device),
        "estimated_memory": estimate.rendering,
    }


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
    found["noise"], faults = check_noise(device)
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


def parse_arguments() -> Namespace:
    parser = argparse.ArgumentParser(description="Check a GPU against the CPU, then measure it.")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--preset", default="streamdiffusionv2-1.3b")
    parser.add_argument("--sizes", default="832x480,512x512", help="WIDTHxHEIGHT,...")
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--steps", default="700,500")
    parser.add_argument("--chunks", type=int, default=12, help="that are counted")
    parser.add_argument("--warmup", type=int, default=8, help="chunks before them")
    parser.add_argument("--json", type=Path, help="instead of benchmarks/results/gpu-NAME.json")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    device, preset = choose_device(args.device), load_preset(args.preset)
    checked, faults = check(preset, device)
    print(json.dumps(checked, indent=1))
    if faults:
        sys.exit("\n".join(faults))
    figures: dict[str, Any] = {
        "device": device_name(device),
        "preset": preset.name,
        "steps": args.steps,
        "attention": chosen_kernel(device, torch.bfloat16)[0],
        "checked": checked,
        "versions": versions(),
        "commit": commit(),
    }
    for size in args.sizes.split(","):
        width, height = map(int, size.split("x"))
        figures[size] = {"attention_ms": measure_kernels(preset, device, (width, height))}
        for form in args.formats.split(","):
            sized = Namespace(**vars(args), size=size)
            figures[size][form] = found = measure_stages(preset, device, form, sized)
            print(f"{size} {form}: {found['frames_per_second']:.2f} frames a second")
    name = re.sub(r"[^a-z0-9]+", "-", device_name(device).lower()).strip("-")
    path = args.json or Path(__file__).parent / "results" / f"gpu-{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
