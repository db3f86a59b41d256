"""What steers a chunk: the halves of a control video, each a stream of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from rushes.models.caches.feature_cache import FeatureCache
from rushes.stream.control import VaceEncoder


def test_halves_and_references_never_share_a_past() -> None:
    seen: list[FeatureCache] = []

    def encode(pixels: Tensor, cache: FeatureCache) -> Tensor:
        seen.append(cache)
        return torch.zeros(1, (pixels.shape[1] + 3) // 4, 16, 4, 4)

    encoder = VaceEncoder(encode, 32, 32)
    image = torch.zeros(32, 32, 3, dtype=torch.uint8)
    for num_frames in (5, 4):
        frames = torch.zeros(num_frames, 32, 32, 3, dtype=torch.uint8)
        context = encoder.context(frames, torch.ones(num_frames, 32, 32), [image])
        assert context is not None
        assert context.shape == (1, (num_frames + 3) // 4, 96, 4, 4)
    reference, kept, renewed, *later = seen
    assert later[1:] == [kept, renewed]
    assert len({id(cache) for cache in (reference, kept, renewed, later[0])}) == 4
