"""What the diffusion transformer is asked in one training step, drawn from the bank.

A lesson is a batch of clips, all from text or all from video. Prompts change in the middle of half
of them, at once or in a transition; then the target changes too, while its motion goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rushes.stream.schedule import FlowSchedule, add_noise
from rushes.timeline.steps import first_timestep
from rushes_training.bank import NUM_LOOKS, Bank
from rushes_training.forcing import Chunks
from rushes_training.prompts import WordTable
from rushes_training.world import MOTIONS

NUM_SINKS = 3
OPENING_CHANNELS = (0, 1)  # of the noise that tells the place and the side of a beginning
_FARTHEST = 1000  # position of a frame that still sees the sinks
_WALKS = MOTIONS.index("walks")


def chunks_of(num_frames: int, from_text: bool) -> Chunks:
    """Return the chunks of a clip: one frame each, but two at the start of a clip from text."""
    first = 2 if from_text else 1
    return ((0, first), *((frame, frame + 1) for frame in range(first, num_frames)))


@dataclass(frozen=True)
class Lesson:
    """Inputs and the answer.

    Shapes:
        target, noisy: [B, T, 16, H/8, W/8]
        timesteps, sigma, weight: [B, T]
        prompts: [B, T, P, E_text]
        positions: [B, T]
        subject: [B, T, H/8, W/8], 1 where the subject may be, else 0
    """

    target: Tensor
    noisy: Tensor
    timesteps: Tensor
    sigma: Tensor
    weight: Tensor
    prompts: Tensor
    positions: Tensor
    subject: Tensor
    chunks: Chunks

    def to(self, device: torch.device) -> Lesson:
        """Return the lesson on a device."""
        parts = {name: value.to(device) for name, value in vars(self).items() if name != "chunks"}
        return Lesson(**parts, chunks=self.chunks)

    def first_frames(self, count: int) -> Lesson:
        """Return the beginning of every clip."""
        parts = {name: value[:, :count] for name, value in vars(self).items() if name != "chunks"}
        return Lesson(**parts, chunks=[chunk for chunk in self.chunks if chunk[1] <= count])


def draw_lesson(
    bank: Bank,
    words: WordTable,
    schedule: FlowSchedule,
    batch: int,
    from_text: bool,
    generator: torch.Generator,
) -> Lesson:
    """Draw a batch of clips, prompts and noise."""
    eligible = torch.arange(len(bank.latents))
    if from_text:
        eligible = eligible[bank.labels.opening[:, 1] != 0]
    motion = eligible[_below(len(eligible), (batch,), generator)]
    first, second, source = _versions(bank, motion, generator)
    num_frames = bank.latents.shape[2]
    share = _share_of_second(batch, num_frames, generator)  # [B, T]
    films = bank.latents[motion].float()  # [B, L, T, C, H, W]
    rows = torch.arange(batch)
    target = torch.lerp(films[rows, first], films[rows, second], share[:, :, None, None, None])
    prompts = torch.lerp(
        words.embeddings(_words(bank, motion, first, source, from_text, generator)).unsqueeze(1),
        words.embeddings(_words(bank, motion, second, source, from_text, generator)).unsqueeze(1),
        share[:, :, None, None],
    )
    noise = torch.randn(target.shape, generator=generator)
    if from_text:
        noise[:, :2] = imprint(noise[:, :2], bank.labels.opening[motion])
        noisy, timesteps, sigma, weight = _noisy_text(target, noise, schedule, generator)
    else:
        noisy, timesteps, sigma, weight = _noisy_video(
            target, films[rows, source], noise, schedule, generator
        )
    return Lesson(
        target=target,
        noisy=noisy,
        timesteps=timesteps,
        sigma=sigma,
        weight=weight,
        prompts=prompts,
        positions=_positions(batch, num_frames, generator),
        subject=bank.subjects[motion],
        chunks=chunks_of(num_frames, from_text),
    )


def _below(limit: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(limit, shape, generator=generator)


def _chance(share: float, batch: int, generator: torch.Generator) -> Tensor:
    return torch.rand(batch, generator=generator) < share


def _versions(
    bank: Bank, motion: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Choose two versions to be shown, and the one that is the input; footage is only input."""
    batch = len(motion)
    first, second, source = _below(NUM_LOOKS, (3, batch), generator)
    is_footage = bank.labels.is_footage[motion]
    shown = 1 + _below(NUM_LOOKS - 1, (2, batch), generator)
    first = torch.where(is_footage, shown[0], first)
    second = torch.where(is_footage, shown[1], second)
    source = torch.where(is_footage & _chance(0.8, batch, generator), 0, source)
    return first, second, source


def _share_of_second(batch: int, num_frames: int, generator: torch.Generator) -> Tensor:
    """How far every frame has gone from the first version to the second: [B, T]."""
    frame = torch.arange(num_frames).float()
    begin = 1 + _below(num_frames - 1, (batch, 1), generator)
    hard = (frame >= begin).float()
    steps = 2.0 + 6 * torch.rand(batch, 1, generator=generator)
    offset = 4 * torch.rand(batch, 1, generator=generator)
    soft = ((frame - begin + offset) / steps).clamp(0, 1)
    chosen = torch.rand(batch, 1, generator=generator)
    return torch.where(chosen < 0.5, 0.0, torch.where(chosen < 0.8, hard, soft))


def _words(
    bank: Bank,
    motion: Tensor,
    version: Tensor,
    source: Tensor,
    from_text: bool,
    generator: torch.Generator,
) -> Tensor:
    """The words of the prompts: [B, 4]. What is left out stays as in the input."""
    batch = len(motion)
    look = bank.labels.looks[motion, version]
    verb = bank.labels.verbs[motion]
    if from_text:
        silent = (verb == _WALKS) & _chance(0.3, batch, generator)
        return torch.cat((look, torch.where(silent, -1, verb)[:, None]), dim=1)
    other = _below(
        len(MOTIONS), (batch,), generator
    )  # the input, not the prompt, says how it moves
    verb = torch.where(_chance(0.4, batch, generator), other, verb)
    verb = torch.where(_chance(0.3, batch, generator), -1, verb)
    may_omit = (version == source) & ~(bank.labels.is_footage[motion] & (version == 0))
    omitted = torch.rand(batch, 3, generator=generator) < 0.25
    look = torch.where(omitted & may_omit[:, None], -1, look)
    return torch.cat((look, verb[:, None]), dim=1)


def imprint(noise: Tensor, opening: Tensor) -> Tensor:
    """Give the noise of a text clip's first chunk the two sums that tell how the clip begins.

    Place and direction are drawn first here; the sums are what normal noise has, no more and no
    less often, so all of it stays normal noise. Thus every seed has one beginning, and the network
    need not guess a mean of all.

    Shapes:
        noise: [B, 2, 16, H/8, W/8]
        opening: [B, 2]
    """
    place, side = opening.unbind(1)
    normal = math.sqrt(2) * torch.erfinv((0.999 * place).clamp(-0.999, 0.999))
    across = torch.ones(noise.shape[-1])
    across[: len(across) // 2] = -1
    halves = across.expand(noise.shape[-2:])
    noise = noise.clone()
    place_channel, side_channel = OPENING_CHANNELS
    noise[:, :, place_channel] = _with_sum(noise[:, :, place_channel], halves, normal)
    flat = torch.ones(noise.shape[-2:])
    strength = share_of(noise[:, :, side_channel], flat).abs()
    noise[:, :, side_channel] = _with_sum(noise[:, :, side_channel], flat, strength * side)
    return noise


def share_of(noise: Tensor, pattern: Tensor) -> Tensor:
    """Return how much of a pattern of ones and minus ones is in noise: a normal number each.

    Shapes:
        noise: [B, 2, H, W]
        pattern: [H, W]
        returns: [B]
    """
    return (noise * pattern).flatten(1).sum(1) / math.sqrt(noise[0].numel())


def _with_sum(noise: Tensor, pattern: Tensor, wanted: Tensor) -> Tensor:
    """Shift noise [B, 2, H, W] along a pattern until its share of it is as wanted, [B]."""
    missing = (wanted - share_of(noise, pattern)) / math.sqrt(noise[0].numel())
    return noise + missing[:, None, None, None] * pattern


def _noisy_text(
    target: Tensor, noise: Tensor, schedule: FlowSchedule, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, frames = target.shape[:2]
    steps = torch.tensor([1000.0, 1000.0, 750.0, 500.0])
    timesteps = steps[_below(len(steps), (batch,), generator)][:, None].expand(-1, frames)
    sigma = schedule.sigma(timesteps)
    return add_noise(target, noise, sigma), timesteps, sigma, 1 / sigma


def _noisy_video(
    target: Tensor,
    source: Tensor,
    noise: Tensor,
    schedule: FlowSchedule,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The first denoising step begins at the covered input, the others at their own prediction."""
    batch, frames = target.shape[:2]
    is_first = _chance(0.6, batch, generator)[:, None]
    scale = (0.3 + 0.7 * torch.rand(batch, generator=generator)).tolist()
    first = torch.tensor([[float(first_timestep(each))] for each in scale])
    later = 150.0 + 600 * torch.rand(batch, 1, generator=generator)
    timesteps = torch.where(is_first, first, later.floor()).expand(-1, frames)
    sigma = schedule.sigma(timesteps)
    noise_scale = torch.tensor(scale)[:, None, None, None, None]
    covered = noise * noise_scale + source * (1 - noise_scale)
    renoised = add_noise(target, noise, sigma)
    noisy = torch.where(is_first[:, :, None, None, None], covered, renoised)
    return noisy, timesteps, sigma, torch.where(is_first, 1.0, 1 / sigma)


def _positions(batch: int, num_frames: int, generator: torch.Generator) -> Tensor:
    """Positions of the frames; in half of the clips the window has rolled on from its sinks."""
    positions = torch.arange(num_frames).expand(batch, -1)
    gap = _below(40, (batch, 1), generator)
    far = _below(_FARTHEST - num_frames, (batch, 1), generator)
    gap = torch.where(torch.rand(batch, 1, generator=generator) < 0.3, far, gap)
    has_gap = torch.rand(batch, 1, generator=generator) < 0.5
    return positions + torch.where(has_gap, gap, 0) * (positions >= NUM_SINKS)
