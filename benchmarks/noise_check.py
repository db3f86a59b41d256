"""Compare ``--noise cuda`` with what this GPU draws; a part of ``gpu_check.py``."""

from __future__ import annotations

import math

import torch

from rushes.noise.philox import CudaGenerator
from rushes.presets.device_classes import GPUS, THREADS_PER_BLOCK

# Latents of a first and a later chunk, of a long chunk and of a small one: [T, C, H/8, W/8].
SHAPES = ((2, 16, 60, 104), (1, 16, 60, 104), (9, 16, 60, 104), (1, 16, 8, 8))
SEEDS = (0, 42, 2**40 + 7)
DRAWS = 2  # one after another from a generator, as for two denoising steps
# The GPU approximates sine, cosine and logarithm; bfloat16 hides that, but for ties.
FLOAT32_LIMIT = 1e-4
LEAST_EQUAL = 0.999  # of the numbers in bfloat16


def check_noise(device: torch.device) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Return by shape how far our numbers are off, and what is too far; nothing on a CPU."""
    found: dict[str, dict[str, float]] = {}
    faults: list[str] = []
    if device.type != "cuda":
        return found, faults
    threads = threads_of(device)
    for shape in SHAPES:
        name = "x".join(map(str, shape))
        found[name] = worst = {"float32": 0.0, "bfloat16 equal": 1.0}
        for seed in SEEDS:
            ours = drawn_here(seed, shape, threads)
            theirs = drawn_there(seed, shape, device, torch.float32)
            rounded = drawn_there(seed, shape, device, torch.bfloat16)
            worst["float32"] = max(worst["float32"], float((ours - theirs).abs().max()))
            equal = float((ours.bfloat16() == rounded).double().mean())
            worst["bfloat16 equal"] = min(worst["bfloat16 equal"], equal)
        if not worst["float32"] <= FLOAT32_LIMIT:
            faults.append(f"noise of {name} is off by {worst['float32']:.2g} in float32")
        if not worst["bfloat16 equal"] >= LEAST_EQUAL:
            faults.append(f"noise of {name}: {worst['bfloat16 equal']:.4f} are equal in bfloat16")
    known = {gpu.threads: name for name, gpu in GPUS.items()}
    found["threads"] = {known.get(threads, "of no class that is known"): threads}
    return found, faults


def threads_of(device: torch.device) -> int:
    """Return how many threads this GPU holds at once."""
    facts = torch.cuda.get_device_properties(device)
    blocks = facts.max_threads_per_multi_processor // THREADS_PER_BLOCK
    return int(facts.multi_processor_count * blocks * THREADS_PER_BLOCK)


def drawn_here(seed: int, shape: tuple[int, ...], threads: int) -> torch.Tensor:
    """Return ``DRAWS`` draws on the CPU: [draws, *shape], float32."""
    generator = CudaGenerator(seed, threads)
    draws = [torch.from_numpy(generator.normal(math.prod(shape))) for _ in range(DRAWS)]
    return torch.stack(draws).reshape(DRAWS, *shape)


def drawn_there(
    seed: int, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype
) -> torch.Tensor:
    """Return the same draws as the GPU makes them."""
    generator = torch.Generator(device).manual_seed(seed)
    draws = [
        torch.randn(shape, generator=generator, device=device, dtype=dtype) for _ in range(DRAWS)
    ]
    return torch.stack(draws).cpu()
