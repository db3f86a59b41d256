"""Training of the pocket diffusion transformer on the bank of latents.

It learns the flow of few steps directly: at the noise levels that the stream's denoising steps
have, from starts such as the stream makes (noise, covered input, its own prediction made noisy
again). First every chunk stands alone, which is cheap and teaches most of it; then chunks see the
bank's clip as their past; at last they see the network's own, which is all the stream will have.

Source: arXiv:2506.08009 (Self-Forcing), whose distribution matching loss this leaves out
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from rushes.models.dit import Block, CausalDit
from rushes.models.rope import RotaryEmbedding
from rushes.stream.schedule import FlowSchedule, add_noise, flow_to_clean
from rushes_training.bank import Bank
from rushes_training.forcing import forced_flow
from rushes_training.lessons import Lesson, draw_lesson
from rushes_training.muon import optimisers_for
from rushes_training.prompts import WordTable
from rushes_training.run import Run, keep_initial_rates

BATCH = 8
ALONE_UNTIL = 0.4  # share of all steps in which chunks have no past
_TEXT_EVERY = 3  # steps
OWN_PAST_FROM = 0.75  # share of all steps
_REFINING_RATE = 2e-3
_SUBJECT_WEIGHT = 4.0  # of a cell that the subject may be in, over that of another


def prepare(dit: CausalDit) -> None:
    """Let every block begin as nothing, and the network with the flow 0."""
    nn.init.zeros_(dit.head.head.weight)
    nn.init.zeros_(dit.head.head.bias)
    last = dit.time_projection[-1]
    assert isinstance(last, nn.Linear)
    nn.init.normal_(last.weight, std=0.002)
    nn.init.zeros_(last.bias)
    for block in cast("Iterable[Block]", dit.blocks):
        with torch.no_grad():
            block.modulation[:, [2, 5]] = 1.0  # both gates
        nn.init.zeros_(block.self_attn.o.weight)
        nn.init.zeros_(block.cross_attn.o.weight)
        for weight in block.ffn[-1].parameters():
            nn.init.zeros_(weight)


def optimisers_of(dit: CausalDit, rate: float = 4e-3) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for all else."""
    matrices = [p for p in dit.blocks.parameters() if p.ndim == 2]
    return keep_initial_rates(*optimisers_for(dit, matrices, rate=rate, adam_rate=0.75 * rate))


def train_dit(
    run: Run, dit: CausalDit, bank: Bank, words: WordTable, schedule: FlowSchedule
) -> None:
    """Train on the bank's past first, then on the network's own."""
    device = next(dit.parameters()).device
    rotary = RotaryEmbedding(dit.config.head_dim, device)

    def loss(run: Run) -> Tensor:
        from_text = run.step % _TEXT_EVERY == 0
        lesson = draw_lesson(bank, words, schedule, BATCH, from_text, run.generator())
        lesson = lesson.to(device)
        past: Tensor | None = lesson.target
        if run.step < ALONE_UNTIL * run.num_steps:
            past = None
            if from_text:  # only a clip's beginning can be told from the noise alone
                lesson = lesson.first_frames(lesson.chunks[0][1])
        elif run.step >= OWN_PAST_FROM * run.num_steps:
            past = own = lesson_clean(dit, lesson, rotary)
            lesson = with_own_start(lesson, own, run.generator(2))
        return lesson_loss(dit, lesson, past, rotary)

    run.train(dit, optimisers_of(dit), loss, lambda run: None, sample_every=10**9)


def refine_dit(
    run: Run, dit: CausalDit, bank: Bank, words: WordTable, schedule: FlowSchedule
) -> None:
    """Train a trained network on its own past alone; what it gets wrong of the subject counts most.

    By then places are nearly right; what is left to learn lies in the square around the subject.
    """
    device = next(dit.parameters()).device
    rotary = RotaryEmbedding(dit.config.head_dim, device)

    def loss(run: Run) -> Tensor:
        from_text = run.step % _TEXT_EVERY == 0
        lesson = draw_lesson(bank, words, schedule, BATCH, from_text, run.generator()).to(device)
        own = lesson_clean(dit, lesson, rotary)
        lesson = with_own_start(lesson, own, run.generator(2))
        return lesson_loss(dit, lesson, own, rotary, _SUBJECT_WEIGHT)

    optimisers = optimisers_of(dit, _REFINING_RATE)
    run.train(dit, optimisers, loss, lambda run: None, sample_every=10**9)


def predict(dit: CausalDit, lesson: Lesson, past: Tensor | None, rotary: RotaryEmbedding) -> Tensor:
    """Return the clean latents that the network sees in the noisy ones."""
    flow = forced_flow(
        dit,
        past,
        lesson.noisy,
        lesson.timesteps,
        lesson.prompts,
        lesson.positions,
        lesson.chunks,
        rotary,
    )
    return flow_to_clean(lesson.noisy, flow, lesson.sigma)


def lesson_loss(
    dit: CausalDit,
    lesson: Lesson,
    past: Tensor | None,
    rotary: RotaryEmbedding,
    subject_weight: float = 1.0,
) -> Tensor:
    """Compare the prediction with the target, latents being about as large as 1."""
    error = (predict(dit, lesson, past, rotary) - lesson.target).square().mean(dim=2)
    share = 1 + (subject_weight - 1) * lesson.subject  # [B, T, H/8, W/8]
    error = (error * share).sum(dim=(2, 3)) / share.sum(dim=(2, 3))
    return (error * lesson.weight).mean()


@torch.no_grad()
def lesson_clean(dit: CausalDit, lesson: Lesson, rotary: RotaryEmbedding) -> Tensor:
    """Return what the network itself makes of the lesson, to serve as the past."""
    return predict(dit, lesson, lesson.target, rotary)


def with_own_start(lesson: Lesson, own: Tensor, generator: torch.Generator) -> Lesson:
    """Let half of the clips take the second denoising step, from their own first prediction."""
    device = own.device
    noise = torch.randn(own.shape, generator=generator).to(device)
    steps = torch.tensor([250.0, 500.0, 750.0])
    later = steps[torch.randint(len(steps), (len(own), 1), generator=generator)].to(device)
    timesteps = later.expand(lesson.timesteps.shape).minimum(lesson.timesteps)
    sigma = timesteps / 1000
    second = (torch.rand(len(own), 1, generator=generator) < 0.5).to(device)
    second = second.expand(lesson.sigma.shape)
    wide = second[:, :, None, None, None]
    return replace(
        lesson,
        noisy=torch.where(wide, add_noise(own, noise, sigma), lesson.noisy),
        timesteps=torch.where(second, timesteps, lesson.timesteps),
        sigma=torch.where(second, sigma, lesson.sigma),
        weight=torch.where(second, 1.0, lesson.weight),
    )
