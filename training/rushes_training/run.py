"""What every training has in common: steps, a learning rate, checkpoints, a log, sample sheets."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

_SAVE_SECONDS = 60.0


@dataclass
class Run:
    """One training in a folder; killed and started again it goes on from its last checkpoint.

    What a step trains on must depend on its number alone (``generator``), so that a run that was
    interrupted sees the same data as one that was not.
    """

    folder: Path
    name: str
    seed: int
    num_steps: int
    step: int = 0
    losses: list[float] = field(default_factory=list)
    _saved_at: float = 0.0

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.pt"

    def resume(self, module: nn.Module, optimisers: list[torch.optim.Optimizer]) -> None:
        """Take up the last checkpoint, if there is one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._saved_at = time.monotonic()
        if not self.path.exists():
            return
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        module.load_state_dict(state["module"])
        for optimiser, saved in zip(optimisers, state["optimisers"], strict=bool(optimisers)):
            optimiser.load_state_dict(saved)
        self.step, self.losses = state["step"], state["losses"]

    def generator(self, stream: int = 0) -> torch.Generator:
        """Return the randomness of this step."""
        return torch.Generator().manual_seed(self.seed * 1_000_003 + self.step * 101 + stream)

    def train(
        self,
        module: nn.Module,
        optimisers: list[torch.optim.Optimizer],
        loss_of_step: Callable[[Run], Tensor],
        on_sample: Callable[[Run], None],
        sample_every: int,
    ) -> None:
        """Take all steps that are left."""
        self.resume(module, optimisers)
        rates = [[group["initial_lr"] for group in each.param_groups] for each in optimisers]
        began, first = time.monotonic(), self.step
        while self.step < self.num_steps:
            share = learning_rate_share(self.step, self.num_steps)
            for optimiser, initial in zip(optimisers, rates, strict=True):
                for group, rate in zip(optimiser.param_groups, initial, strict=True):
                    group["lr"] = rate * share
            for optimiser in optimisers:
                optimiser.zero_grad(set_to_none=True)
            loss = loss_of_step(self)
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            for optimiser in optimisers:
                optimiser.step()
            self.losses.append(float(loss.detach()))
            self.step += 1
            if self.step % 20 == 0:
                recent = sum(self.losses[-20:]) / 20
                pace = (time.monotonic() - began) / (self.step - first)
                left = pace * (self.num_steps - self.step) / 60
                print(
                    f"{self.name} step {self.step}/{self.num_steps} loss {recent:.5f} "
                    f"{pace:.2f} s a step, {left:.1f} min left",
                    flush=True,
                )
            is_last = self.step == self.num_steps
            if is_last or time.monotonic() - self._saved_at > _SAVE_SECONDS:
                self.save(module, optimisers)
            if is_last or self.step % sample_every == 0:
                on_sample(self)

    def save(self, module: nn.Module, optimisers: list[torch.optim.Optimizer]) -> None:
        """Write a checkpoint under its name once it is complete."""
        state: dict[str, Any] = {
            "module": module.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in optimisers],
            "step": self.step,
            "losses": self.losses,
        }
        staged = self.path.with_suffix(".tmp")
        torch.save(state, staged)
        os.replace(staged, self.path)
        self.path.with_suffix(".losses.json").write_text(json.dumps(self.losses))
        self._saved_at = time.monotonic()


def learning_rate_share(step: int, num_steps: int, warmup: int = 50) -> float:
    """Rise over the first steps, then fall to nothing along a cosine."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, num_steps - warmup)))


def keep_initial_rates(*optimisers: torch.optim.Optimizer) -> list[torch.optim.Optimizer]:
    """Note the highest learning rate of every parameter group."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["initial_lr"] = group["lr"]
    return list(optimisers)


def save_sheet(path: Path, rows: Tensor) -> None:
    """Save pictures as one.

    Shapes:
        rows: [R, C, 3, H, W] in [-1, 1]
    """
    sheet = rows.permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)  # [R*H, C*W, 3]
    pixels = ((sheet.clamp(-1, 1) + 1) * 127.5).round().byte().numpy()
    Image.fromarray(pixels).save(path)
