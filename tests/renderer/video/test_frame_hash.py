"""The hash of frames: its value, its state, and that it lets other threads run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rushes.video import frame_hash
from rushes.video.frame_hash import FrameHash

Frames = NDArray[np.uint8]


def frames_of(size: int, seed: int = 0) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (1, 1, size, 3), np.uint8)


@pytest.fixture(params=["openssl", "plain"])
def new_hash(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[FrameHash]:
    """Each kind; which one there is depends on how Python was built."""
    if request.param == "plain":
        monkeypatch.setattr(frame_hash, "_openssl", lambda: None)
    elif frame_hash._openssl() is None:
        pytest.skip("Python's OpenSSL cannot be called here")
    return FrameHash


@pytest.mark.parametrize("sizes", [[], [1], [21, 0, 22], [64, 64], [1000, 7, 333]], ids=str)
def test_it_is_the_sha256_of_all_bytes(new_hash: type[FrameHash], sizes: list[int]) -> None:
    hashed, expected = new_hash(), hashlib.sha256()
    for seed, size in enumerate(sizes):
        hashed.update(frames_of(size, seed))
        expected.update(frames_of(size, seed).tobytes())
    assert hashed.hexdigest() == hashed.hexdigest() == expected.hexdigest()


def test_frames_that_do_not_lie_in_one_piece_count_as_they_are_seen(
    new_hash: type[FrameHash],
) -> None:
    frames = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)[:, :, ::-1]
    hashed = new_hash()
    hashed.update(frames)
    assert hashed.hexdigest() == hashlib.sha256(frames.tobytes()).hexdigest()


@given(sizes=st.lists(st.integers(0, 100), max_size=4), rest=st.integers(0, 100))
def test_either_kind_goes_on_from_the_other(sizes: list[int], rest: int) -> None:
    if frame_hash._openssl() is None:
        pytest.skip("Python's OpenSSL cannot be called here")
    kinds: list[Callable[[], object]] = [frame_hash._Plain, lambda: frame_hash._new_hash()]
    states = []
    for kind in kinds:
        hashed = FrameHash()
        hashed._hash = kind()  # type: ignore[assignment]
        for size in sizes:
            hashed.update(frames_of(size))
        states.append(hashed.state())
    assert states[0] == states[1]
    resumed = FrameHash.resumed(states[0])
    resumed.update(frames_of(rest, 1))
    parts = [*map(frames_of, sizes), frames_of(rest, 1)]
    everything = b"".join(part.tobytes() for part in parts)
    assert resumed.hexdigest() == hashlib.sha256(everything).hexdigest()


def test_a_state_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the library words it
        FrameHash.resumed("00" * 3)
