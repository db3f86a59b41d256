"""Milliseconds a chunk of every stage of a render, and the arithmetic floor of a named GPU.

    python benchmarks/stages.py --preset tiny --size 512x512
    python benchmarks/stages.py --preset streamdiffusionv2-1.3b --size 832x480 --device cuda \
        --gpu h200 --json benchmarks/results/stages-h200.json

The weights are random, made on the device in the preset's sizes: speed does not depend on them, and
no file is needed. The first chunks, in which caches fill and kernels are chosen, are not counted.
Stages are measured one after another here; a render reads ahead and writes behind meanwhile.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from rushes.bench.floor import GPUS, floor
from rushes.models.dit import CausalDit
from rushes.models.stream_vae import StreamVAE
from rushes.presets.preset import Preset, load_preset
from rushes.rendering.manifest import peak_memory, versions
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import ChunkInputs, Models
from rushes.video.read.reader import VideoReader
from rushes.video.write.writer import open_writer
from rushes.weights.autoencoders import vae_config
from rushes.weights.device import choose_device, choose_dtype, device_name, reuse_freed_memory
from rushes.weights.networks import dit_config
from short_stream import open_random_stream, plan_chunks

MEADOW = Path(__file__).parents[1] / "timelines" / "meadow.mp4"
M = TypeVar("M", bound=nn.Module)
STAGES = ("read", "encode", "denoise", "clean pass", "decode", "write")


def random_models(preset: Preset, device: torch.device, dtype: torch.dtype) -> Models:
    """Build the networks of a preset with random weights, on the device."""
    with torch.device("meta"):
        dit, vae = CausalDit(dit_config(preset)), StreamVAE(vae_config(preset, "wan"))
    return Models(
        dit=filled(dit, device, dtype),
        vae=filled(vae, device, dtype),
        schedule=FlowSchedule(shift=preset.schedule.shift),
        normalise_encoded=preset.vae.normalise_encoded,
        device=device,
        dtype=dtype,
    )


def filled(module: M, device: torch.device, dtype: torch.dtype) -> M:
    constants = {name: buffer.clone() for name, buffer in module.named_buffers()}
    module = module.to(dtype).to_empty(device=device)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.02)
    for name, buffer in module.named_buffers():
        buffer.copy_(constants[name])
    return module.requires_grad_(False).eval()


def measure(
    preset: Preset, models: Models, args: argparse.Namespace
) -> tuple[dict[str, float], float]:
    """Return the milliseconds a chunk of every stage, and of all together."""
    width, height = map(int, args.size.split("x"))
    clock = StageClock(models.device)
    steps = tuple(map(int, args.steps.split(",")))
    plan = plan_chunks(preset, (width, height), steps, args.warmup + args.chunks)
    stream = open_random_stream(models, preset, plan, clock)
    reader = VideoReader(MEADOW, fps=Fraction(16), height=height, width=width)
    with tempfile.TemporaryDirectory() as folder, reader:
        writer = open_writer(Path(folder) / "out.mp4", fps=Fraction(16), width=width, height=height)
        read = clock.timed_on_host("read", reader.read)
        write = clock.timed_on_host("write", writer.write)
        at_start: dict[str, float] = {}
        begin = 0.0
        for chunk in plan.chunks:
            if chunk.index == args.warmup:
                at_start, begin = clock.seconds(), time.perf_counter()
            video = torch.from_numpy(read(chunk.first_frame, chunk.num_frames))
            (frames,) = stream.render([(chunk, ChunkInputs(video=video))])
            write(frames.cpu().numpy())
        total = time.perf_counter() - begin
        seconds = clock.seconds()
        writer.abort()
    per_chunk = {stage: (seconds[stage] - at_start[stage]) * 1000 / args.chunks for stage in STAGES}
    return per_chunk, total * 1000 / args.chunks


def commit() -> str:
    result = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip() or "unknown"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Milliseconds a chunk of every stage.")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--size", default="512x512", help="WIDTHxHEIGHT")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--steps", default="700,500")
    parser.add_argument("--chunks", type=int, default=8, help="that are counted")
    parser.add_argument("--warmup", type=int, default=7, help="chunks before them")
    parser.add_argument("--gpu", choices=GPUS, help="whose arithmetic floor to print")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    preset = load_preset(args.preset)
    device = choose_device(args.device)
    dtype = choose_dtype(args.dtype, device)
    if device.type == "cpu":
        reuse_freed_memory()
    measured, total = measure(preset, random_models(preset, device, dtype), args)
    least = floor(preset, args.size, len(args.steps.split(",")), GPUS[args.gpu]) if args.gpu else {}

    frames = preset.chunk.num_frames("video", is_first=False)
    print(f"{preset.name}, {args.size}, steps {args.steps}, {device_name(device)}, {dtype}")
    print(f"{'stage':12} {'ms a chunk':>10}" + (f" {args.gpu + ' floor':>14}" if least else ""))
    for stage in STAGES:
        bound = f" {least[stage]:14.2f}" if stage in least else ""
        print(f"{stage:12} {measured[stage]:10.2f}{bound}")
    print(f"{'together':12} {total:10.2f}" + (f" {sum(least.values()):14.2f}" if least else ""))
    print(f"{frames * 1000 / total:.2f} frames a second, {frames} frames a chunk")
    if args.json:
        figures = {
            "preset": preset.name,
            "size": args.size,
            "steps": args.steps,
            "device": device_name(device),
            "processor": platform.processor() or platform.machine(),
            "dtype": str(dtype),
            "ms_per_chunk": measured,
            "ms_together": total,
            "floor_ms": least,
            "floor_gpu": args.gpu,
            "frames_per_second": frames * 1000 / total,
            "peak_memory": peak_memory(device),
            "versions": versions(),
            "commit": commit(),
        }
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
