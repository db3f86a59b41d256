"""Two blocks of full width: video to video in float32 and bfloat16, and how far they differ.

    python benchmarks/two_blocks.py --preset streamdiffusionv2-1.3b --size 832x480 \
        --vae tae --vae-float32 --json benchmarks/results/two-blocks-1.3b.json

Everything but the number of blocks is as in the preset, so every shape of the real network occurs.
Weights are random. The networks run on the CPU. Few CPUs have instructions for convolutions in
bfloat16; on the others ``--vae-float32`` keeps the autoencoder from taking hours.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from loading import processor
from public_weights import fill
from rushes.models.autoencoder import Autoencoder
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.dit import CausalDit
from rushes.models.stream_vae import StreamVAE
from rushes.models.tiny_vae import TinyVAE
from rushes.presets.kinds import VaeType
from rushes.presets.preset import Preset, load_preset
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stream import Models
from rushes.weights.autoencoders import tiny_vae_config, vae_config
from rushes.weights.networks import dit_config
from short_stream import render_chunks

CPU = torch.device("cpu")


@dataclass(frozen=True)
class InFloat32:
    """An autoencoder that computes in float32, beside networks that do not."""

    vae: Autoencoder
    dtype: torch.dtype  # of the others

    def encode(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        """Encode as ``vae`` does."""
        return self.vae.encode(pixels.float(), cache, normalise).to(self.dtype)

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        """Decode as ``vae`` does."""
        return self.vae.decode(latents.float(), cache).to(self.dtype)


def two_block_models(
    preset: Preset, dtype: torch.dtype, vae_type: VaeType, vae_dtype: torch.dtype
) -> Models:
    """Return the networks of a preset with two blocks and random weights."""
    with torch.device("meta"):
        dit = CausalDit(replace(dit_config(preset), num_layers=2))
        if vae_type in ("wan", "lightvae"):
            vae: StreamVAE | TinyVAE = StreamVAE(vae_config(preset, vae_type))
        else:
            vae = TinyVAE(tiny_vae_config(preset, vae_type))
    filled = cast("Autoencoder", fill(vae, vae_dtype))
    return Models(
        dit=fill(dit, dtype),
        vae=InFloat32(filled, dtype) if vae_dtype != dtype else filled,
        schedule=FlowSchedule(shift=preset.schedule.shift),
        normalise_encoded=preset.vae.normalise_encoded,
        device=CPU,
        dtype=dtype,
    )


def compare(
    preset: Preset,
    size: tuple[int, int],
    steps: tuple[int, ...],
    count: int,
    vae_type: VaeType,
    *,
    vae_in_float32: bool,
) -> dict[str, Any]:
    """Render the same chunks in both formats; return seconds and the differences of frames.

    Units: differences in shares of the range of a pixel
    """
    frames: dict[str, Tensor] = {}
    seconds: dict[str, float] = {}
    for dtype in (torch.float32, torch.bfloat16):
        vae_dtype = torch.float32 if vae_in_float32 else dtype
        models = two_block_models(preset, dtype, vae_type, vae_dtype)
        begin = time.perf_counter()
        frames[str(dtype)] = render_chunks(models, preset, size, steps, count).float() / 255
        seconds[str(dtype)] = time.perf_counter() - begin
        del models
    wide, narrow = frames.values()
    return {
        "frames": len(wide),
        "seconds": seconds,
        "spread_of_float32": float(wide.std()),
        "rms_difference": float((wide - narrow).square().mean().sqrt()),
        "largest_difference": float((wide - narrow).abs().max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Two blocks of full width in two formats.")
    parser.add_argument("--preset", default="streamdiffusionv2-1.3b")
    parser.add_argument("--size", default="832x480", help="WIDTHxHEIGHT")
    parser.add_argument("--steps", default="700")
    parser.add_argument("--chunks", type=int, default=1)
    parser.add_argument("--vae", default="wan", choices=["wan", "lightvae", "tae", "lighttae"])
    parser.add_argument(
        "--vae-float32", action="store_true", help="the autoencoder is in float32 both times"
    )
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    steps = tuple(map(int, args.steps.split(",")))
    found = compare(
        load_preset(args.preset),
        (width, height),
        steps,
        args.chunks,
        args.vae,
        vae_in_float32=args.vae_float32,
    )
    known = {name: str(value) for name, value in vars(args).items() if name != "json"}
    print(json.dumps(known | found, indent=1))
    if args.json:
        figures = {**known, **found, "processor": processor()}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
