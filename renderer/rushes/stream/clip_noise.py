"""Noise of a whole clip, drawn at once, then that of every step, all from one generator.

Source: sf: pipeline/causal_inference.py, inference.py (one seed for a whole run)
"""

from __future__ import annotations

import torch
from torch import Tensor

from rushes.models.caches.snapshot import Snapshot
from rushes.noise.normals import Normals, seeded_normals
from rushes.presets.device_classes import DeviceClass


class ClipNoise:
    """Drawn in the order of the references; a new clip goes on drawing."""

    def __init__(
        self, frame_shape: tuple[int, int, int], device_class: DeviceClass | None = None
    ) -> None:
        """``frame_shape`` is that of one latent frame, [C, H, W].

        The numbers are a CPU's, or with ``device_class`` those of such a GPU.
        """
        self._frame_shape, self._device_class = frame_shape, device_class
        self._normals: Normals | None = None
        self._seed: int | None = None
        self._first = 0
        self._clip = torch.zeros(1, 0, *frame_shape)

    def begin_clip(self, first: int, num_frames: int, seed: int) -> None:
        """Draw the noise of frames ``first`` and later; another seed than before begins anew."""
        if seed != self._seed:
            self._normals = seeded_normals(seed, self._device_class)
            self._seed = seed
        self._first = first
        self._clip = self.draw_frames(num_frames)

    def draw_frames(self, num_frames: int) -> Tensor:
        """Draw the noise of some frames, [1, T, C, H, W]."""
        assert self._normals is not None
        return self._normals.draw((1, num_frames, *self._frame_shape))

    def of_chunk(self, position: int, num_frames: int) -> ClipChunkNoise:
        """Return the noise of a chunk; frames before the first with noise count as zeros."""
        begin = position - self._first
        start = self._clip[:, max(0, begin) : max(0, begin + num_frames)]
        return ClipChunkNoise(self, start, num_frames)

    def snapshot(self) -> Snapshot:
        snapshot = Snapshot({"clip": self._clip}, {"seed": self._seed, "first": self._first})
        if self._normals is not None:
            snapshot.tensors["generator"] = self._normals.state()
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        self._clip = snapshot.tensors["clip"]
        self._seed, self._first = snapshot.values["seed"], snapshot.values["first"]
        self._normals = None
        if self._seed is not None:
            self._normals = seeded_normals(self._seed, self._device_class)
            self._normals.set_state(snapshot.tensors["generator"])


class ClipChunkNoise:
    """What ``ChunkNoise`` is for a stream, for a chunk of a clip."""

    def __init__(self, clip: ClipNoise, start: Tensor, num_frames: int) -> None:
        self._clip, self._num_frames = clip, num_frames
        self._start: Tensor | None = start

    def draw(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the chunk's part of the clip's noise, later that of its steps."""
        noise = self._clip.draw_frames(self._num_frames) if self._start is None else self._padded()
        self._start = None
        return noise.to(device=device, dtype=dtype)

    def _padded(self) -> Tensor:
        assert self._start is not None
        missing = self._num_frames - self._start.shape[1]
        zeros = self._start.new_zeros(1, missing, *self._start.shape[2:])
        return torch.cat((zeros, self._start), dim=1)
