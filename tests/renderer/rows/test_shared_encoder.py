"""The autoencoder of rows that encode the same frames."""

from __future__ import annotations

import torch

from renders.tiny_models import normal, shared_vae
from rushes.models.caches.feature_cache import FeatureCache
from rushes.rows.shared_encoder import SharedEncoder

CHUNKS = (normal(1, 5, 3, 16, 16, seed=1), normal(1, 4, 3, 16, 16, seed=2))


def test_the_same_frames_are_encoded_once_and_give_the_same() -> None:
    alone, encoder = FeatureCache(), SharedEncoder(shared_vae())
    rows = [FeatureCache(), FeatureCache(), FeatureCache()]
    for chunk in CHUNKS:
        expected = shared_vae().encode(chunk, alone, normalise=True)
        for row in rows:
            assert torch.equal(encoder.encode(chunk.clone(), row, normalise=True), expected)
    assert encoder.num_encoded == len(CHUNKS)


def test_a_row_of_another_past_is_encoded_by_itself() -> None:
    encoder = SharedEncoder(shared_vae())
    first, second, alone = FeatureCache(), FeatureCache(), FeatureCache()
    encoder.encode(CHUNKS[0], first, normalise=False)
    encoder.encode(-CHUNKS[0], second, normalise=False)
    encoder.encode(CHUNKS[1], first, normalise=False)
    shared_vae().encode(-CHUNKS[0], alone, normalise=False)
    expected = shared_vae().encode(CHUNKS[1], alone, normalise=False)
    assert torch.equal(encoder.encode(CHUNKS[1], second, normalise=False), expected)
    assert encoder.num_encoded == 4


def test_a_reset_row_begins_anew() -> None:
    encoder, row, late = SharedEncoder(shared_vae()), FeatureCache(), FeatureCache()
    first = encoder.encode(CHUNKS[0], row, normalise=False)
    row.reset()
    assert torch.equal(encoder.encode(CHUNKS[0], row, normalise=False), first)
    assert torch.equal(encoder.encode(CHUNKS[0], late, normalise=False), first)
    assert encoder.num_encoded == 1


def test_rows_go_on_by_themselves_after_they_have_shared() -> None:
    """What one row does to its cache afterwards changes nothing for another."""
    encoder = SharedEncoder(shared_vae())
    rows, alone = [FeatureCache(), FeatureCache()], FeatureCache()
    for row in rows:
        encoder.encode(CHUNKS[0], row, normalise=False)
    shared_vae().encode(CHUNKS[0], alone, normalise=False)
    encoder.encode(CHUNKS[1], rows[0], normalise=False)
    expected = shared_vae().encode(-CHUNKS[1], alone, normalise=False)
    assert torch.equal(encoder.encode(-CHUNKS[1], rows[1], normalise=False), expected)


@torch.inference_mode()
def test_a_row_keeps_the_memory_that_it_encodes_into_when_it_takes_over() -> None:
    encoder, first, second = SharedEncoder(shared_vae()), FeatureCache(), FeatureCache()
    third = normal(1, 4, 3, 16, 16, seed=3)
    for row in (first, second):
        encoder.encode(CHUNKS[0], row, normalise=False)
    encoder.encode(CHUNKS[1], second, normalise=False)
    encoder.encode(third, second, normalise=False)
    before, encoded = second.num_bytes, encoder.num_encoded
    fourth = normal(1, 4, 3, 16, 16, seed=4)
    for chunk in (CHUNKS[1], third, fourth):
        encoder.encode(chunk, first, normalise=False)
    encoder.encode(fourth, second, normalise=False)  # taken over
    assert encoder.num_encoded == encoded + 1
    assert second.num_bytes == before > 0
