"""What of a chunk is made ready before its turn, by the thread that reads, for none of it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rushes.models.caches.snapshot import Snapshot
from rushes.noise.chunk_noise import ChunkNoise
from rushes.stream.noise_controller import NoiseController
from rushes.stream.pixels import to_pixels
from rushes.timeline.plan.render_plan import Chunk
from rushes.transfer import Sent, send


@dataclass(frozen=True)
class ChunkInputs:
    """What goes into a chunk beside its plan; nothing in plain text to video.

    ``given`` frames are shown as they are instead of being made.

    Shapes:
        video, control, given: [T, H, W, 3], uint8
        masks: [T, H, W], 1 where pictures are made anew
        references: [H, W, 3] each, uint8
    """

    video: Tensor | None = None
    control: Tensor | None = None
    masks: Tensor | None = None
    references: tuple[Tensor, ...] = ()
    control_scale: float = 1.0
    given: Tensor | None = None


@dataclass(frozen=True)
class Prepared:
    """The inputs of a chunk on their way to the device, its noise, and how much of that it gets.

    Bytes go up as bytes. ``noise_scale`` is there with ``video`` only; the noise controller is
    where ``after`` says when it has seen this chunk. Without ``noise`` it is drawn later.
    """

    noise: ChunkNoise | None
    noise_scale: float | None
    after: Snapshot
    video: Sent | None
    control: Sent | None
    masks: Sent | None
    references: tuple[Sent, ...]
    given: Sent | None


class Preparation:
    """Prepares the chunks of a stream in order, those that come next before they are asked for.

    The noise scale chooses the first timestep, a number of the host; so it is measured there, where
    the frames are, and nothing has to be read back from the device.
    """

    def __init__(
        self,
        controller: NoiseController,
        device: torch.device,
        make_noise: Callable[[Chunk], ChunkNoise] | None,
    ) -> None:
        """Without ``make_noise`` the noise of chunks is drawn when they are rendered."""
        self.controller, self._device, self._make_noise = controller, device, make_noise
        self._ready: dict[int, Prepared] = {}  # by the index of the chunk
        self._after = controller.snapshot()
        self._first = 0  # index of the first chunk that is rendered

    @torch.inference_mode()
    def prepare(self, chunk: Chunk, inputs: ChunkInputs) -> None:
        """Prepare the next chunk; in any thread, one chunk after another."""
        if chunk.index >= self._first:
            self._ready[chunk.index] = self._prepared(chunk, inputs)

    def look(self, chunk: Chunk, inputs: ChunkInputs) -> Prepared:
        """Return what was prepared of the chunk that will be taken next, or prepare it now."""
        if chunk.index not in self._ready:
            self._ready[chunk.index] = self._prepared(chunk, inputs)
        return self._ready[chunk.index]

    def take(self, chunk: Chunk, inputs: ChunkInputs) -> Prepared:
        """Return what was prepared of a chunk that is rendered now, or prepare it now."""
        ready = self._ready.pop(chunk.index, None) or self._prepared(chunk, inputs)
        self._after = ready.after
        return ready

    def follow(self, chunk: Chunk, video: Tensor | None) -> None:
        """Take note of a chunk that is rendered elsewhere."""
        self._noise_scale(chunk, video)
        self._after = self.controller.snapshot()

    def snapshot(self) -> Snapshot:
        """Return the noise controller's state behind the chunk that was taken last."""
        return self._after

    def restore(self, snapshot: Snapshot, first_chunk: int) -> None:
        """Go on from a snapshot; earlier chunks may come again, and are passed over."""
        self._ready.clear()
        self.controller.restore(snapshot)
        self._after, self._first = snapshot, first_chunk

    def _prepared(self, chunk: Chunk, inputs: ChunkInputs) -> Prepared:
        noise_scale = self._noise_scale(chunk, inputs.video)
        noise = None if self._make_noise is None else self._make_noise(chunk)
        if noise is not None:
            noise.send_ahead(len(chunk.denoising_steps), self._device)
        return Prepared(
            noise,
            noise_scale,
            self.controller.snapshot(),
            self._sent(inputs.video),
            self._sent(inputs.control),
            self._sent(inputs.masks),
            tuple(send(image, self._device) for image in inputs.references),
            self._sent(inputs.given),
        )

    def _noise_scale(self, chunk: Chunk, video: Tensor | None) -> float | None:
        """Return the noise scale of a chunk, from the frames that the controller looks at."""
        self.controller.begin_chunk(chunk.denoising_steps, chunk.reset)
        if video is None or chunk.noise_scale is None:
            return None
        count = self.controller.num_seen(len(video))
        seen = to_pixels(video[len(video) - count :])
        return self.controller.noise_scale(seen, chunk.noise_scale)

    def _sent(self, tensor: Tensor | None) -> Sent | None:
        return None if tensor is None else send(tensor, self._device)


Asked = tuple[Chunk, ChunkInputs]


def with_next(chunks: Iterable[Asked], *, looks: bool) -> Iterator[tuple[Asked, Asked | None]]:
    """Yield every chunk with the one that follows; only with ``looks`` is that asked for early."""
    if not looks:
        yield from ((each, None) for each in chunks)
        return
    before: Asked | None = None
    for each in chunks:
        if before is not None:
            yield before, each
        before = each
    if before is not None:
        yield before, None


def here(sent: Sent | None) -> Tensor | None:
    """Return what was sent, if anything was."""
    return None if sent is None else sent.here()
