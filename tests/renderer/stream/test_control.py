"""What steers a chunk: the halves of a control video, each a stream of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from renders.streams import HEIGHT, WIDTH, inputs_of, open_stream, plan
from rushes.models.caches.feature_cache import FeatureCache
from rushes.stream.control import VaceEncoder, split_by_mask


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


def test_after_a_reset_nothing_is_remembered_of_the_control_before() -> None:
    """The caches are what carries the past; a reset begins both streams anew."""

    def encode(pixels: Tensor, cache: FeatureCache) -> Tensor:
        first = cache.is_first_call
        cache.check_size(pixels.shape[-2:])
        cache.end_call()
        count = (pixels.shape[1] + 3) // 4
        return torch.full((1, count, 16, 4, 4), float(first))

    encoder = VaceEncoder(encode, 32, 32)
    frames = torch.zeros(5, 32, 32, 3, dtype=torch.uint8)

    def is_fresh() -> list[bool]:
        context = encoder.context(frames, torch.ones(5, 32, 32), [])
        assert context is not None
        return [bool(part.all()) for part in (context[:, :, :16], context[:, :, 16:32])]

    assert is_fresh() == [True, True]
    assert is_fresh() == [False, False]
    encoder.reset()
    assert is_fresh() == [True, True]


class NotedResets(VaceEncoder):
    """Counts how often it is told to begin anew."""

    count = 0

    def reset(self) -> None:
        self.count += 1
        super().reset()


def test_a_cut_of_the_stream_is_one_of_the_control_too() -> None:
    stream = open_stream()
    encoder = NotedResets(stream._encode_stream, HEIGHT, WIDTH)
    stream.control_encoder = encoder
    seen = [
        encoder.count
        for chunk in plan(4, resets=(0, 2))
        for _ in stream.render([(chunk, inputs_of(chunk, None))])
    ]
    assert seen == [1, 1, 2, 2]


def test_a_mask_parts_a_video_into_what_is_kept_and_what_is_made_anew() -> None:
    frames = torch.full((2, 4, 6, 3), 255, dtype=torch.uint8)
    masks = torch.zeros(2, 4, 6)
    masks[:, :, 3:] = 0.6
    kept, renewed, sharp = split_by_mask(frames, masks)
    left, right = (torch.ones(1, 2, 3, 4, 3) for _ in range(2))
    torch.testing.assert_close(kept, torch.cat((left, 0 * right), dim=-1))
    torch.testing.assert_close(renewed, torch.cat((0 * left, right), dim=-1))
    assert torch.equal(sharp, masks.ceil())
    kept, renewed, sharp = split_by_mask(frames, None)
    assert not kept.any()
    assert renewed.all()
    assert sharp.all()
