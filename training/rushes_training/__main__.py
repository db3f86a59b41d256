"""``python -m rushes_training``: trains the pocket model and writes its files.

Every part goes on where it was interrupted; what is finished is not done again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from rushes.files.resources import data_folder
from rushes.presets.preset import load_preset
from rushes.stream.schedule import FlowSchedule
from rushes.weights.device import choose_device, reuse_freed_memory
from rushes_training.bank import (
    NUM_LATENT_FRAMES,
    Bank,
    Labels,
    draw_films,
    encode_films,
    load_parts,
    save_parts,
    subjects_of,
)
from rushes_training.clips import load_footage
from rushes_training.networks import centre_latents, export, new_dit, new_vae, text_encoder
from rushes_training.prompts import WordTable
from rushes_training.run import Run
from rushes_training.train_dit import prepare, refine_dit, train_dit
from rushes_training.train_vae import as_pixels, train_decoder, train_vae

PARTS = ("films", "vae", "latents", "decoder", "dit", "refine", "export")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m rushes_training", description="Train the pocket model."
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS) + "; default all")
    parser.add_argument("--work", type=Path, default=Path("out/pocket"), help="for checkpoints")
    parser.add_argument(
        "--weights", type=Path, default=data_folder("pocket"), help="for the result"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vae-steps", type=int, default=4000)
    parser.add_argument("--decoder-steps", type=int, default=1500)
    parser.add_argument("--motions", type=int, default=480, help="in the bank of films")
    parser.add_argument(
        "--latent-frames", type=int, default=NUM_LATENT_FRAMES, help="of a clip, up to the default"
    )
    parser.add_argument("--dit-steps", type=int, default=7000)
    parser.add_argument("--refine-steps", type=int, default=5500)
    parser.add_argument("--device", default="auto", help="auto, cpu, mps, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(arguments)
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown {', '.join(sorted(unknown))}; parts are {', '.join(PARTS)}")
    return args


def load_bank(work: Path, footage_frames: int, seed: int) -> Bank:
    labels = load_parts(work / "films.pt")
    del labels["films"]
    latents = load_parts(work / "latents.pt")["latents"]
    return Bank(latents, Labels(**labels), subjects_of(footage_frames, seed, latents))


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_arguments(arguments)
    torch.set_num_threads(args.threads)
    reuse_freed_memory()
    parts = args.parts or PARTS
    preset = load_preset("pocket")
    footage = load_footage(data_folder("timelines") / "meadow.mp4")
    work: Path = args.work

    films_path, latents_path = work / "films.pt", work / "latents.pt"
    if "films" in parts and not films_path.exists():
        films, labels = draw_films(footage, args.motions, args.seed)
        save_parts(films_path, films=films, **vars(labels))
    films = load_parts(films_path)["films"]

    device = choose_device(args.device)
    vae = new_vae(preset, args.seed).to(device)
    vae_run = Run(work, "vae", args.seed, args.vae_steps)
    if "vae" in parts:
        train_vae(vae_run, vae, films)
    vae_run.resume(vae, [])
    vae.eval().requires_grad_(False)
    centre_latents(vae, as_pixels(films[:24, 0]).to(device))
    if "latents" in parts and not latents_path.exists():
        save_parts(latents_path, latents=encode_films(vae, films, args.latent_frames))

    decoder_run = Run(work, "decoder", args.seed, args.decoder_steps)
    if "decoder" in parts:
        train_decoder(decoder_run, vae, films)
    decoder_run.resume(nn.ModuleList((vae.conv2, vae.decoder)), [])

    dit = new_dit(preset, args.seed).to(device)
    prepare(dit)
    dit_run = Run(work, "dit", args.seed, args.dit_steps)
    refine_run = Run(work, "refine", args.seed, args.refine_steps)
    for run, train in ((dit_run, train_dit), (refine_run, refine_dit)):
        if run.name in parts:
            words = WordTable(text_encoder(work / "tokenizer"))
            schedule = FlowSchedule(shift=preset.schedule.shift)
            train(run, dit, load_bank(work, len(footage), args.seed), words, schedule)
        run.resume(dit, [])

    if "export" in parts:
        runs = (vae_run, decoder_run, dit_run, refine_run)
        missing = [run.name for run in runs if not run.path.exists()]
        if missing:
            sys.exit(f"{work}: {', '.join(missing)} not trained there yet; run without PART")
        export(preset, args.weights, vae.cpu(), dit.cpu())


if __name__ == "__main__":
    main()
