"""What the pocket model shows of what it should: obedience, structure, transitions, memory.

    PYTHONPATH=training python benchmarks/pocket.py --json benchmarks/results/pocket.json

Clips are drawn from seeds that its training has not seen. A probe that draws every look again
reads the results (training/rushes_training/probe.py).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rushes.files.folders import Folders
from rushes.metrics.steadiness import drift, style, warp_error
from rushes.presets.preset import load_preset
from rushes.rendering.pipeline import Pipeline, load_pipeline
from rushes.weights.device import reuse_freed_memory
from rushes_training.bank import opening_motion
from rushes_training.probe import locate, recognise
from rushes_training.trial import FPS, Shot, render_shot
from rushes_training.world import Look, Motion, caption, film, random_look, random_motion

FIRST_SEED = 900_000  # far from those of training
SETTLED_CHUNKS = 3  # after a change of prompt
ATTRIBUTES = ("kind", "coat", "place")


@dataclass(frozen=True)
class Trial:
    """One clip of the world and the two prompts that it is rendered with."""

    motion: Motion
    source: Look
    first: Look
    second: Look
    seed: int


def draw_trial(seed: int, num_frames: int) -> Trial:
    generator = torch.Generator().manual_seed(seed)
    motion = random_motion(num_frames, generator)
    source, first, second = (random_look(generator) for _ in range(3))
    return Trial(motion, source, first, second, seed)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def obedience(pipeline: Pipeline, size: int, seeds: range, noise_scale: float) -> dict[str, float]:
    """Share of settled frames in which the probe names what the second prompt asks for."""
    found: dict[str, list[float]] = {name: [] for name in ATTRIBUTES}
    for seed in seeds:
        trial = draw_trial(seed, 49)
        shot = Shot(
            [(21, caption(trial.first, trial.motion.verb)), (28, caption(trial.second, "walks"))],
            seed=seed,
            noise_scale=noise_scale,
        )
        frames = render_shot(pipeline, shot, film(trial.source, trial.motion, size, size))
        settled = torch.arange(21 + 4 * SETTLED_CHUNKS, 49, 4)
        reading = recognise(frames[settled], trial.motion.part(settled))
        for name in ATTRIBUTES:
            found[name] += reading.shows(name, trial.second).float().tolist()
    return {name: mean(values) for name, values in found.items()}


def obedience_from_text(pipeline: Pipeline, size: int, seeds: range) -> dict[str, float]:
    """The same without input. The subject stands, so it stays where the seed's noise put it."""
    found: dict[str, list[float]] = {name: [] for name in ATTRIBUTES}
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        first, second = random_look(generator), random_look(generator)
        shot = Shot([(21, caption(first, "stands")), (28, caption(second, "stands"))], seed=seed)
        frames = render_shot(pipeline, shot, None)[36:49:12]
        best: dict[str, Tensor] = {}
        nearest = -1.0
        for x in torch.linspace(-0.3, 0.3, 5).tolist():
            for side in (1.0, -1.0):
                motion, _ = opening_motion(len(frames), torch.Generator().manual_seed(0))
                ones = torch.ones(len(frames))
                still = replace(
                    motion, x=x * ones, y=0.2 * ones, facing=side * ones, phase=0 * ones
                )
                reading = recognise(frames, still)
                sure = reading.kind.amax(1).mean().item()
                if sure > nearest:
                    nearest = sure
                    best = {name: reading.shows(name, second) for name in ATTRIBUTES}
        for name in ATTRIBUTES:
            found[name] += best[name].float().tolist()
    return {name: mean(values) for name, values in found.items()}


def structure(pipeline: Pipeline, size: int, seeds: range, noise_scale: float) -> float:
    """Correlation of the subject's place in the result with its place in the input."""
    wanted, seen = [], []
    for seed in seeds:
        trial = draw_trial(seed, 33)
        shot = Shot(
            [(33, caption(trial.first, trial.motion.verb))], seed=seed, noise_scale=noise_scale
        )
        frames = render_shot(pipeline, shot, film(trial.source, trial.motion, size, size))
        looked_at = torch.arange(8, 33, 4)
        motion = trial.motion.part(looked_at)
        seen.append(locate(frames[looked_at], trial.first, motion))
        wanted.append(motion.x)
    both = torch.stack([torch.cat(wanted), torch.cat(seen)])
    return float(torch.corrcoef(both)[0, 1])


def transition(pipeline: Pipeline, size: int, seeds: range, steps: int) -> list[float]:
    """Chance of the second prompt's place, chunk by chunk from the change on."""
    curves = []
    for seed in seeds:
        trial = draw_trial(seed, 21 + 48)
        if trial.first.place == trial.second.place:
            continue
        second = replace(trial.first, place=trial.second.place)
        shot = Shot(
            [(21, caption(trial.first, trial.motion.verb)), (48, caption(second, "walks"))],
            seed=seed,
            transition_steps=steps,
        )
        frames = render_shot(pipeline, shot, film(trial.source, trial.motion, size, size))
        looked_at = torch.arange(21 + 2, 69, 4)
        reading = recognise(frames[looked_at], trial.motion.part(looked_at))
        curves.append(reading.chance("place", second.place))
    return [round(value, 3) for value in torch.stack(curves).mean(0).tolist()]


def memory(pipeline: Pipeline, seeds: range, sinks: int, num_frames: int) -> float:
    """Mean drift of style over the last quarter of a long clip from text."""
    drifts = []
    for seed in seeds:
        look = random_look(torch.Generator().manual_seed(seed))
        shot = Shot([(num_frames, caption(look, "walks"))], seed=seed, sinks=sinks)
        frames = (render_shot(pipeline, shot, None) + 1) / 2
        drifts.append(drift(style(frames), 5 * FPS)[-num_frames // 4 :].mean().item())
    return mean(drifts)


def controlled(pipeline: Pipeline, size: int, seeds: range, is_on: bool) -> float:
    """Mean warp error on clips that move fast."""
    errors = []
    for seed in seeds:
        trial = draw_trial(seed, 49)
        time_ = torch.arange(49)
        fast = replace(trial.motion, verb="runs", phase=time_ / 8, x=0.4 * torch.sin(time_ / 4))
        source = film(trial.source, fast, size, size)
        shot = Shot(
            [(49, caption(trial.first, "runs"))],
            seed=seed,
            noise_scale=0.8,
            noise_controller=is_on,
        )
        frames = render_shot(pipeline, shot, source)
        errors.append(warp_error((frames + 1) / 2, (source + 1) / 2).mean().item())
    return mean(errors)


def measure(pipeline: Pipeline, size: int, count: int, num_frames: int) -> dict[str, Any]:
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    parts: dict[str, Callable[[], Any]] = {
        "obedience of video to video, noise scale 0.7": lambda: obedience(
            pipeline, size, seeds, 0.7
        ),
        "obedience of text to video": lambda: obedience_from_text(pipeline, size, seeds),
        "correlation of positions by noise scale": lambda: {
            str(scale): structure(pipeline, size, seeds, scale) for scale in (0.4, 0.6, 0.8)
        },
        "chance of the new place after the change, by transition steps": lambda: {
            str(steps): transition(pipeline, size, seeds, steps) for steps in (0, 4, 8)
        },
        f"drift over {num_frames} frames by sinks": lambda: {
            str(sinks): memory(pipeline, seeds[:1], sinks, num_frames) for sinks in (0, 3)
        },
        "warp error of fast clips by noise controller": lambda: {
            name: controlled(pipeline, size, seeds, name == "on") for name in ("off", "on")
        },
    }
    figures: dict[str, Any] = {}
    for name, part in parts.items():
        begin = time.perf_counter()
        figures[name] = part()
        print(f"{name}: {figures[name]}  ({time.perf_counter() - begin:.0f} s)", flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--preset", default="pocket")
    parser.add_argument("--clips", type=int, default=8, help="of every measure")
    parser.add_argument("--frames", type=int, default=2000, help="of the long clips")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    reuse_freed_memory()
    preset = load_preset(args.preset)
    assert preset.largest_side is not None
    with tempfile.TemporaryDirectory() as cache:
        folders = Folders(models=Path(cache), cache=Path(cache))
        pipeline = load_pipeline(preset, folders, torch.device("cpu"), torch.float32)
        figures = measure(pipeline, preset.largest_side, args.clips, args.frames)
        weights = pipeline.weights_sha256
    if args.json:
        content = {
            "preset": preset.name,
            "seeds": [FIRST_SEED, FIRST_SEED + args.clips - 1],
            "weights_sha256": weights,
            "figures": figures,
        }
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
