"""Several chunks in one pass, the oldest nearly clean, the newest all noise; Rolling Forcing.

Source: cf: long_video/pipeline/rolling_forcing_inference.py (thu-ml/Causal-Forcing)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rushes.errors import ConfigError
from rushes.models.caches.snapshot import Snapshot
from rushes.models.caches.step_window import StepWindowCache
from rushes.models.layers.patches import PATCH
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryEmbedding, RotaryFactors
from rushes.stream.denoise import Denoiser
from rushes.stream.row import Row
from rushes.stream.stage_clock import StageClock


@dataclass(frozen=True)
class _Entry:
    """A chunk in the window, and how many steps it has behind it."""

    row: Row
    steps_done: int = 0

    @property
    def timestep(self) -> float:
        return self.row.timesteps[min(self.steps_done, len(self.row.timesteps) - 1)]

    @property
    def following(self) -> float | None:
        """The timestep of the step after this one, if there is one."""
        after = self.steps_done + 1
        return self.row.timesteps[after] if after < len(self.row.timesteps) else None


class StepWindow:
    """A chunk enters with every call; it is finished as many calls later as it has steps.

    All chunks of a call are made under the prompt of the newest one. After each call the oldest
    chunk leaves its keys in the cache, as clean as it is by then.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        kv_cache: StepWindowCache,
        rotary: RotaryEmbedding,
        clock: StageClock,
        *,
        prompt_keys: Callable[[Tensor], PromptKeys],
        draw_frames: Callable[[int], Tensor],
    ) -> None:
        """``draw_frames`` draws the noise of so many latent frames, [1, T, C, H, W]."""
        self.kv_cache, self._rotary, self._denoiser = kv_cache, rotary, denoiser
        self._prompt_keys, self._draw_frames = prompt_keys, draw_frames
        self._predict_clean = clock.timed("denoise", denoiser.predict_by_frame)
        self._write_clean_keys = clock.timed("clean pass", denoiser.write_clean_keys)
        self.entries: list[_Entry] = []  # the oldest first

    def begin(self, row: Row) -> Tensor | None:
        self.kv_cache.reset()
        self.entries = []
        return self.advance(row)

    def advance(self, row: Row) -> Tensor | None:
        if row.control is not None:
            raise ConfigError("VACE cannot steer a window of several chunks; leave it out")
        self.entries.append(_Entry(row))
        return self._step()

    def flush(self) -> Iterator[Tensor]:
        while self.entries:
            clean = self._step()
            if clean is not None:
                yield clean

    def _step(self) -> Tensor | None:
        """Take every chunk of the window one step further; return the oldest if it was its last.

        Shapes:
            returns: [1, T, C, H, W]
        """
        rows = [entry.row for entry in self.entries]
        oldest, prompt = rows[0], rows[-1].prompt
        counts = [row.latents.shape[1] for row in rows]
        latents = torch.cat([row.latents for row in rows], dim=1)  # [1, T, C, H, W]
        by_frame = tuple(
            float(entry.timestep)
            for entry, count in zip(self.entries, counts, strict=True)
            for _ in range(count)
        )
        start = self.kv_cache.begin_call(oldest.position, latents.shape[1], is_clean=False)
        rotary = self._factors(latents, start)
        clean = self._predict_clean(latents, (by_frame,), rotary, prompt)
        self.kv_cache.begin_call(oldest.position, counts[0], is_clean=True)
        first = clean[:, : counts[0]]
        is_finished = self.entries[0].following is None
        self.entries = self._made_noisy(clean, counts)
        self._write_clean_keys(first, self._factors(first, start), prompt)
        if is_finished:
            del self.entries[0]
            return first
        return None

    def _made_noisy(self, clean: Tensor, counts: list[int]) -> list[_Entry]:
        """Return the chunks ready for their next steps.

        For each of them noise is drawn for the whole window, of which it takes its own part.
        """
        entries: list[_Entry] = []
        first = 0
        for entry, count in zip(self.entries, counts, strict=True):
            part = slice(first, first + count)
            latents, following = clean[:, part], entry.following
            if following is not None:
                noise = self._draw_frames(clean.shape[1])[:, part]
                latents = self._denoiser.renoise(latents, following, noise)
            entries.append(_Entry(replace(entry.row, latents=latents), entry.steps_done + 1))
            first += count
        return entries

    def _factors(self, latents: Tensor, start: int) -> RotaryFactors:
        num_frames, _, height, width = latents.shape[1:]
        return self._rotary.factors([start], num_frames, height // PATCH, width // PATCH)

    def settle(self) -> None:
        pass

    def remember(self, pixels: Tensor) -> None:
        pass

    def snapshot(self) -> Snapshot:
        entries = [
            {
                "position": entry.row.position,
                "timesteps": list(entry.row.timesteps),
                "steps_done": entry.steps_done,
            }
            for entry in self.entries
        ]
        snapshot = Snapshot(values={"entries": entries})
        snapshot.add("kv_cache", self.kv_cache.snapshot())
        for number, entry in enumerate(self.entries):
            tensors = {"latents": entry.row.latents, "embedding": entry.row.embedding}
            snapshot.add(f"entry{number}", Snapshot(tensors))
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        self.kv_cache.restore(snapshot.part("kv_cache"))
        self.entries = []
        for number, values in enumerate(snapshot.values["entries"]):
            tensors = snapshot.part(f"entry{number}").tensors
            embedding = tensors["embedding"]
            row = Row(
                latents=tensors["latents"],
                position=values["position"],
                timesteps=tuple(values["timesteps"]),
                noise=None,
                embedding=embedding,
                prompt=self._prompt_keys(embedding),
            )
            self.entries.append(_Entry(row, values["steps_done"]))
