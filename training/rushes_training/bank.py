"""The bank of latents that the diffusion transformer is trained on.

Every motion is filmed several times, each time with another look. Any two films of a motion are a
pair for video to video: one is the input, the other what the prompt asks for. Of the motions that
are cut from the shipped film, the film itself is the first version; it is only ever an input.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.stream_vae import StreamVAE
from rushes_training.clips import Framing, cut_footage, footage_motion, random_framing
from rushes_training.creatures import COATS, KINDS
from rushes_training.places import PLACES
from rushes_training.train_vae import SIZE, as_pixels
from rushes_training.world import MOTIONS, Look, Motion, film, random_look, random_motion

NUM_LATENT_FRAMES = 6
NUM_FRAMES = 4 * NUM_LATENT_FRAMES - 3
NUM_LOOKS = 4
FOOTAGE_EVERY, OPENING_EVERY = 5, 3
_KINDS, _COATS, _PLACES = list(KINDS), list(COATS), list(PLACES)
OPENING_REACH = 0.3  # how far from the middle a clip made from text may begin


@dataclass(frozen=True)
class Labels:
    """What the films of the bank show.

    Shapes:
        looks: [M, NUM_LOOKS, 3], indices of kind, coat and place
        verbs: [M], index of the motion's verb
        is_footage: [M], whether the first version is cut from the shipped film
        opening: [M, 2], where a clip begins (-1 to 1) and whether it looks to the right (1 or
            -1); zeros where a clip is none that may be made from text
    """

    looks: Tensor
    verbs: Tensor
    is_footage: Tensor
    opening: Tensor


@dataclass(frozen=True)
class Bank:
    """Films, encoded.

    Shapes:
        latents: [M, NUM_LOOKS, T, 16, H/8, W/8], float16
        subjects: [M, T, H/8, W/8], 1 where the subject may be, else 0
    """

    latents: Tensor
    labels: Labels
    subjects: Tensor


@dataclass(frozen=True)
class Scene:
    """What happens in the films of one motion.

    ``opening`` is a row of ``Labels``; ``cut`` is where in the shipped film the first version is.
    """

    motion: Motion
    opening: Tensor
    cut: tuple[int, Framing] | None = None


def draw_scene(index: int, footage_frames: int, generator: torch.Generator) -> Scene:
    """Make up the motion of this number."""
    if index % FOOTAGE_EVERY == 0:
        start = int(torch.randint(footage_frames, (), generator=generator))
        framing = random_framing(generator)
        motion = footage_motion(start, NUM_FRAMES, footage_frames, framing)
        return Scene(motion, torch.zeros(2), (start, framing))
    if index % OPENING_EVERY == 0:
        return Scene(*opening_motion(NUM_FRAMES, generator))
    return Scene(random_motion(NUM_FRAMES, generator), torch.zeros(2))


def subjects_of(footage_frames: int, seed: int, latents: Tensor) -> Tensor:
    """Return where in the latents the subject is; the scenes are drawn again, not their films.

    Shapes:
        latents: [M, NUM_LOOKS, T, 16, H/8, W/8]
        returns: [M, T, H/8, W/8], 1 in the square around the subject, else 0
    """
    num_frames, (height, width) = latents.shape[2], latents.shape[-2:]
    last = 4 * torch.arange(num_frames)  # of the frames that a latent frame stands for
    found = []
    for index in range(len(latents)):
        motion = draw_scene(index, footage_frames, _generator(seed, index)).motion
        found.append(subject_square(motion.part(last), height, width))
    return torch.stack(found)


def subject_square(motion: Motion, height: int, width: int) -> Tensor:
    """Return which cells of a grid over the frame the subject may reach: [T, height, width]."""

    def reaches(middle: Tensor, cells: int) -> Tensor:
        centres = (torch.arange(cells) + 0.5) / cells * 2 - 1
        return ((centres - middle[:, None]).abs() < motion.size[:, None]).float()

    rows = reaches(motion.y + motion.shake[:, 1], height)
    columns = reaches(motion.x + motion.shake[:, 0], width)
    return rows[:, :, None] * columns[:, None, :]


def _generator(seed: int, index: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 1_000_003 + index)


def draw_films(footage: Tensor, num_motions: int, seed: int) -> tuple[Tensor, Labels]:
    """Film every motion with all its looks.

    Shapes:
        returns: films [M, NUM_LOOKS, NUM_FRAMES, 3, H, W], uint8
    """
    films, looks, verbs, openings = [], [], [], []
    for index in range(num_motions):
        generator = _generator(seed, index)
        scene = draw_scene(index, len(footage), generator)
        versions = []
        if scene.cut is not None:
            start, framing = scene.cut
            versions.append(cut_footage(footage, start, NUM_FRAMES, framing, SIZE))
        shown = [random_look(generator) for _ in range(NUM_LOOKS)]
        versions += [film(look, scene.motion, SIZE, SIZE) for look in shown[len(versions) :]]
        films.append(((torch.stack(versions) + 1) * 127.5).round().byte())
        looks.append(torch.tensor([look_indices(look) for look in shown]))
        verbs.append(MOTIONS.index(scene.motion.verb))
        openings.append(scene.opening)
        if index % 20 == 19:
            print(f"films of {index + 1}/{num_motions} motions", flush=True)
    labels = Labels(
        looks=torch.stack(looks),
        verbs=torch.tensor(verbs),
        is_footage=torch.arange(num_motions) % FOOTAGE_EVERY == 0,
        opening=torch.stack(openings),
    )
    return torch.stack(films), labels


@torch.inference_mode()
def encode_films(vae: StreamVAE, films: Tensor, num_latent_frames: int) -> Tensor:
    """Return the latents of the films' beginnings, in the shape that ``Bank`` has them."""
    films = films[:, :, : 4 * num_latent_frames - 3]
    device = next(vae.parameters()).device
    latents = []
    for index, versions in enumerate(films):
        pixels = as_pixels(versions).to(device)
        latents.append(vae.encode(pixels, FeatureCache(), normalise=True).half().cpu())
        if index % 20 == 19:
            print(f"latents of {index + 1}/{len(films)} motions", flush=True)
    return torch.stack(latents)


def save_parts(path: Path, **parts: Tensor) -> None:
    """Save tensors under a name that is there only once they are complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".tmp")
    torch.save(parts, staged)
    os.replace(staged, path)


def load_parts(path: Path) -> dict[str, Tensor]:
    parts: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return parts


def opening_motion(num_frames: int, generator: torch.Generator) -> tuple[Motion, Tensor]:
    """Return a motion as clips from text have it: its start is told by two numbers.

    Shapes:
        returns: the motion, and [2]: place (-1 to 1) and direction (1 or -1)
    """
    motion = random_motion(num_frames, generator, shaken=False)
    place = 2 * torch.rand((), generator=generator) - 1
    side = 1.0 if torch.rand((), generator=generator) < 0.5 else -1.0
    ones = torch.ones(num_frames)
    motion = replace(
        motion,
        x=OPENING_REACH * place * ones,
        y=0.2 * ones + (motion.y - motion.y[0]) * (motion.verb == "runs"),
        size=0.62 * ones,
        facing=motion.facing * side * motion.facing[0].sign(),
        phase=motion.phase - motion.phase[0],
    )
    return motion, torch.stack([place, torch.tensor(side)])


def look_indices(look: Look) -> list[int]:
    return [_KINDS.index(look.kind), _COATS.index(look.coat), _PLACES.index(look.place)]
