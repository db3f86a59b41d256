"""MemFlow's memory: LongLive's window, and a bank of frames that fit the prompt best.

Source: memflow: wan/modules/causal_model.py, pipeline/interactive_causal_inference.py
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rushes.models.caches.kv_cache import Seen
from rushes.models.caches.sink_window import SinkWindowCache
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.caches.snapshot import Snapshot


class FrameBankCache:
    """Every so many chunks the first frame of one is recorded; from the next chunk on it is seen.

    While there is room a recorded frame takes the next place of the bank. Later the frames that
    the prompt attends to most stay, and the recorded one takes the last place; this is decided
    again at every chunk, so that a frame may stand in the bank twice. Denoising steps leave nothing
    in the window: only the clean pass and filling the window again do.

    Without ``record_every`` the bank stays empty, as scope runs it.
    """

    rotates_keys = False

    def __init__(
        self,
        sizes: SlotSizes,
        *,
        sinks: int,
        bank_frames: int,
        record_every: int | None,
        keeps_sinks: bool = True,
    ) -> None:
        self.rolling = SinkWindowCache(sizes, sinks=sinks, keeps_sinks=keeps_sinks)
        self.window = self.rolling.window
        self.record_every = record_every
        shape = list(self.window.frames.shape)
        shape[3] = bank_frames
        self.bank = self.window.frames.new_zeros(shape)  # [blocks, 2, 1, bank, tokens, N, D]
        shape[3] = 1
        self.staged = self.window.frames.new_zeros(shape)  # the frame that was recorded last
        self.num_recorded = 0
        self._num_chunks = 0
        self._writes = self._records = False

    def reset(self) -> None:
        """Forget everything."""
        self.rolling.reset()
        self.bank.zero_()
        self.staged.zero_()
        self.num_recorded = self._num_chunks = 0

    def begin_chunk(self, start: int, count: int, text_keys: Sequence[Tensor]) -> int:
        """Make room for a chunk; choose what the bank holds for it."""
        self._choose(text_keys)
        self._writes = self._records = False
        self._num_chunks += 1
        return self.rolling.begin_chunk(start, count, text_keys)

    def begin_recache(self, start: int, count: int, text_keys: Sequence[Tensor]) -> int:
        """Say that a pass over the last ``count`` frames follows, under another prompt."""
        self._choose(text_keys)
        self._writes, self._records = True, False
        return self.rolling.begin_recache(start, count, text_keys)

    def begin_clean_pass(self) -> None:
        """Say that the pass follows that leaves the chunk's keys, and the bank's new frame."""
        self._writes = True
        every = self.record_every
        self._records = every is not None and (self._num_chunks - 1) % every == 0
        self.num_recorded += self._records

    def _choose(self, text_keys: Sequence[Tensor]) -> None:
        """Give the frame that was recorded last its place in the bank of every block.

        Shapes:
            text_keys: [1, P, N, D] each, the keys of the prompt in force
        """
        room = self.bank.shape[3]
        if not self.num_recorded:
            return
        if self.num_recorded <= room:
            self.bank[:, :, :, self.num_recorded - 1] = self.staged[:, :, :, 0]
            return
        for bank, staged, text in zip(self.bank, self.staged, text_keys, strict=True):
            kept = salience(bank[0], text).topk(room - 1).indices[0]  # the best first
            bank[:] = torch.cat((bank[:, :, kept], staged), dim=2)

    def write(self, block: int, k: Tensor, v: Tensor | None) -> Seen:
        assert v is not None
        k = k.to(v.dtype)
        if self._writes:
            self.rolling.write(block, k, v)
        window, tokens = self.window, self.window.sizes.frame_tokens
        if self._records:
            for staged, new in zip(self.staged[block], (k, v), strict=True):
                staged[:, 0] = new[:, :tokens]
        sunk = min(window.sinks, window.stop)
        sinks = window.read(block, 0, sunk)
        held = self.bank[block, :, :, : self._num_seen()].flatten(2, 3).unbind(0)
        if self._writes:
            rest = window.read(block, sunk, window.stop)
        else:
            sinks, rest = self._with_chunk(block, sunk, k, v)
        keys, values = (torch.cat(parts, dim=1) for parts in zip(sinks, held, rest, strict=True))
        return keys, values

    def _num_seen(self) -> int:
        """Return how many frames of the bank a pass sees; one just recorded is not among them."""
        return min(self.num_recorded - self._records, self.bank.shape[3])

    def _with_chunk(
        self, block: int, sunk: int, k: Tensor, v: Tensor
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return the sinks and the rest of the window as they are with the chunk in its place."""
        window, tokens = self.window, self.window.sizes.frame_tokens
        before = window.read(block, 0, window.first)
        both = [torch.cat((old, new), dim=1) for old, new in zip(before, (k, v), strict=True)]
        sinks = both[0][:, : sunk * tokens], both[1][:, : sunk * tokens]
        return sinks, (both[0][:, sunk * tokens :], both[1][:, sunk * tokens :])

    def snapshot(self) -> Snapshot:
        """Return the window, the bank and the frame that was recorded last."""
        snapshot = Snapshot(
            {"bank": self.bank, "staged": self.staged},
            {"num_recorded": self.num_recorded, "num_chunks": self._num_chunks},
        )
        snapshot.add("window", self.rolling.snapshot())
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of a cache of the same sizes."""
        self.rolling.restore(snapshot.part("window"))
        self.bank.copy_(snapshot.tensors["bank"])
        self.staged.copy_(snapshot.tensors["staged"])
        self.num_recorded = snapshot.values["num_recorded"]
        self._num_chunks = snapshot.values["num_chunks"]


def salience(bank_keys: Tensor, text_keys: Tensor) -> Tensor:
    """Say how much a prompt attends to each frame: the mean score of all its tokens.

    Shapes:
        bank_keys: [1, frames, tokens, N, D]
        text_keys: [1, P, N, D]
        returns: [1, frames]
    """
    # The mean of all products is the product of the means, which is what is computed here.
    frames = bank_keys.float().mean(2)  # [1, frames, N, D]
    text = text_keys.float().mean(1, keepdim=True)  # [1, 1, N, D]
    scale = bank_keys.shape[-1] ** -0.5
    return (frames * text).sum(-1).mean(-1) * scale
