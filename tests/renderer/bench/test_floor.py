"""The least time of a chunk on a GPU, from what its maker says of it."""

from __future__ import annotations

import pytest

from rushes.bench.floor import GPUS, Gpu, floor, known_gpu
from rushes.presets.preset import load_preset

SMALL = load_preset("streamdiffusionv2-1.3b")
FAST = Gpu(flops=1e15, bytes_per_second=1e30)


def test_a_gpu_is_known_by_the_name_of_its_driver() -> None:
    assert known_gpu("cuda:0 NVIDIA H200") == GPUS["h200"]
    assert known_gpu("cuda:1 NVIDIA GeForce RTX 4090") == GPUS["rtx4090"]
    assert known_gpu("cpu") is None


def test_the_arithmetic_of_a_chunk_is_as_published() -> None:
    """TFLOP at 832x480: encoder 8.0; the decoder's 13.5 less what doubling pictures saves."""
    found = floor(SMALL, "832x480", 2, FAST)
    assert found["encode"] == pytest.approx(8.0, rel=0.02)
    assert 12 < found["decode"] < 13.5
    assert found["denoise"] == 2 * found["clean pass"] == pytest.approx(13.5, rel=0.05)


def test_fewer_blocks_and_smaller_autoencoders_take_less() -> None:
    whole = floor(SMALL, "64x64", 2, FAST)
    part = floor(SMALL, "64x64", 2, FAST, "tae", num_blocks=3)
    assert part["decode"] < whole["decode"] / 5
    assert part["clean pass"] == pytest.approx(whole["clean pass"] / 10, rel=0.1)


def test_a_pass_reads_all_weights_once() -> None:
    slow_memory = Gpu(flops=1e30, bytes_per_second=1e12)
    found = floor(SMALL, "64x64", 1, slow_memory)
    assert found["clean pass"] == pytest.approx(2 * 1_418_996_800 / 1e9, rel=0.01)
