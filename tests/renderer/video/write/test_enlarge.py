"""Frames are made larger without being moved or darkened."""

from __future__ import annotations

import numpy as np

from rushes.video.write.enlarge import enlarged


def test_one_time_is_the_frames_themselves() -> None:
    frames = np.zeros((2, 4, 6, 3), np.uint8)
    assert enlarged(frames, 1) is frames


def test_each_side_grows_and_places_stay() -> None:
    frames = np.zeros((2, 8, 12, 3), np.uint8)
    frames[1, :4, :6] = 200, 100, 50
    large = enlarged(frames, 5)
    assert large.shape == (2, 40, 60, 3)
    assert large.dtype == np.uint8
    assert not large[0].any()
    assert np.abs(large[1, 10, 15].astype(int) - [200, 100, 50]).max() < 10
    assert not large[1, 30:, 45:].any()
    small = large[1].reshape(8, 5, 12, 5, 3).mean((1, 3))
    assert np.abs(small - frames[1]).mean() < 4
