"""Motion-aware noise scale: the more the input moves, the less noise covers it.

Two public formulas exist. ``ScopeNoiseController`` compares the end of a chunk with the end of the
one before and has no other memory; ``SmoothedNoiseController`` compares every frame with the one
before it and follows its own past result. Frames are [1, T, 3, H, W] in [-1, 1].
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from rushes.models.caches.snapshot import Snapshot

_FULL_MOTION = 0.2  # root mean square difference of frames that counts as fastest


class NoiseController(Protocol):
    """Chooses the noise scale of each chunk from its input frames."""

    def num_seen(self, num_frames: int) -> int:
        """Return how many of a chunk's last frames it looks at."""
        ...

    def noise_scale(self, pixels: Tensor, requested: float) -> float:
        """Return the noise scale of the chunk; the user asked for ``requested``.

        ``pixels`` are at least the last frames that it looks at.
        """
        ...

    def begin_chunk(self, steps: tuple[int, ...], reset: bool) -> None:
        """Note the denoising steps of the next chunk, and whether the caches restart before it."""
        ...

    def snapshot(self) -> Snapshot:
        """Return what is remembered of the chunks before."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of the same kind of controller."""
        ...


class FixedNoiseScale:
    """No control: what the user asked for."""

    def num_seen(self, num_frames: int) -> int:
        return 0

    def noise_scale(self, pixels: Tensor, requested: float) -> float:
        return requested

    def begin_chunk(self, steps: tuple[int, ...], reset: bool) -> None:
        pass

    def snapshot(self) -> Snapshot:
        return Snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        pass


class ScopeNoiseController:
    """Range 0.61 (fast) to 0.79 (still) for a requested scale of 0.7.

    Source: scope: src/scope/core/pipelines/wan2_1/blocks/noise_scale_controller.py
    """

    def __init__(self, latent_frames: int = 1) -> None:
        self._latent_frames = latent_frames
        self._steps: tuple[int, ...] | None = None
        self.last_frame: Tensor | None = None

    def num_seen(self, num_frames: int) -> int:
        return min(num_frames, self._latent_frames + 1)

    def noise_scale(self, pixels: Tensor, requested: float) -> float:
        count = self._latent_frames
        end = pixels[:, -count:]
        if self.last_frame is None:
            before = pixels[:, -count - 1 : -1]
        else:
            before = torch.cat((self.last_frame, end[:, :-1]), dim=1)
        self.last_frame = pixels[:, -1:].clone()
        return (0.8 - 0.2 * motion(before, end)) * 0.9 + requested * 0.1

    def begin_chunk(self, steps: tuple[int, ...], reset: bool) -> None:
        """Keep the last frame through a restart, unless other denoising steps are the reason.

        To scope a new list of steps is a cut of the whole pipeline; a new prompt is not.
        """
        if reset and self._steps not in (None, steps):
            self.last_frame = None
        self._steps = steps

    def snapshot(self) -> Snapshot:
        snapshot = Snapshot(values={"steps": self._steps and list(self._steps)})
        snapshot.add_optional("last_frame", self.last_frame)
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        steps = snapshot.values.get("steps")
        self._steps = None if steps is None else tuple(steps)
        self.last_frame = snapshot.tensors.get("last_frame")


class SmoothedNoiseController:
    """Stays within 0.1 below the requested scale, moving by a tenth of its own past.

    The first chunk of a stream, which has nothing before it, gets the requested scale.

    Source: sdv2: streamv2v/inference.py (compute_noise_scale_and_step)
    """

    def __init__(self) -> None:
        self.last_frame: Tensor | None = None
        self.last_scale: float | None = None

    def num_seen(self, num_frames: int) -> int:
        return num_frames

    def noise_scale(self, pixels: Tensor, requested: float) -> float:
        before, self.last_frame = self.last_frame, pixels[:, -1:].clone()
        if before is None:
            self.last_scale = requested
            return requested
        moved = motion(torch.cat((before, pixels[:, :-1]), dim=1), pixels)
        past = requested if self.last_scale is None else self.last_scale
        self.last_scale = (requested - 0.1 * moved) * 0.9 + past * 0.1
        return self.last_scale

    def begin_chunk(self, steps: tuple[int, ...], reset: bool) -> None:
        """Forget everything at a restart: upstream opens a new session."""
        if reset:
            self.last_frame = self.last_scale = None

    def snapshot(self) -> Snapshot:
        snapshot = Snapshot(values={"last_scale": self.last_scale})
        snapshot.add_optional("last_frame", self.last_frame)
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        self.last_frame = snapshot.tensors.get("last_frame")
        self.last_scale = snapshot.values["last_scale"]


def motion(before: Tensor, after: Tensor) -> float:
    """Return the largest root mean square difference of paired frames, as a share of 0 to 1.

    Computed in the dtype of the frames, as the references do.

    Shapes:
        before, after: [1, T, 3, H, W]
    """
    difference = (after - before).square().mean(dim=(0, 2, 3, 4)).sqrt()  # [T]
    return (difference.max() / _FULL_MOTION).clamp(0, 1).item()
