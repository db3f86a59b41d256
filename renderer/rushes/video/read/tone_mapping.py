"""Converts pictures with other transfer functions and primaries to BT.709.

FFmpeg's scaler converts these too, but keeps HLG's colours in another way than zimg, players and
what people compare with, and the builds that PyAV ships have no zscale; so it is done here.

Source: ITU-R BT.2100 (PQ, HLG), BT.2408 (white of graphics: 203 cd/m2), BT.709,
BT.601, BT.2020, SMPTE EG 432-1 (primaries); zimg applies HLG's gamma of 1.2 to each channel
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from rushes.video.read.colour import HLG, LINEAR, PQ, PRIMARIES, Colour

_BT709 = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_D65 = (0.3127, 0.3290)

_WHITE = 203.0  # cd/m2 of SDR white
_HLG_PEAK, _PQ_PEAK = 1000.0, 10_000.0
_MASTERED_PEAK = 1000.0  # cd/m2, the usual mastering peak of PQ films
_HLG_GAMMA = 1.2
# The curve of displays (IEC 61966-2-1): its straight start keeps what is rounded near black small.
_TOE, _SLOPE, _SCALE, _EXPONENT = 0.0031308, 12.92, 1.055, 2.4
_KNEE = 0.85  # brighter than this, up to the peak, is rolled off below white
_LEVELS = 2**16


def to_bt709(picture: NDArray[np.uint16], colour: Colour, white: int = 65535) -> NDArray[np.uint8]:
    """Convert full-range RGB; ``white`` is the level of a full signal.

    Shapes:
        picture: [H, W, 3]
        returns: [H, W, 3]
    """
    scaled = torch.from_numpy(picture.astype(np.float32)) * ((_LEVELS - 1) / white)
    levels = scaled.round_().clamp_(0, _LEVELS - 1).int()
    light = _light(colour.transfer)[levels]
    if colour.primaries in PRIMARIES:
        light = light @ _to_bt709(colour.primaries).T
    light = light.clamp_min_(0)
    if colour.is_hdr:
        light = _rolled_off(light, _peak(colour.transfer))
    light = light.clamp_(0, 1)
    signal = torch.where(
        light <= _TOE, light * _SLOPE, _SCALE * light.pow(1 / _EXPONENT) - (_SCALE - 1)
    )
    result: NDArray[np.uint8] = signal.mul_(255).round_().to(torch.uint8).numpy()
    return result


def _peak(transfer: int) -> float:
    return (_HLG_PEAK if transfer == HLG else _MASTERED_PEAK) / _WHITE


@cache
def _light(transfer: int) -> torch.Tensor:
    """Return the light of each 16-bit level, 1 being the white of SDR."""
    signal = torch.linspace(0, 1, _LEVELS, dtype=torch.float64)
    if transfer == LINEAR:
        light = signal
    elif transfer == PQ:
        m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
        root = signal ** (1 / m2)
        light = ((root - c1).clamp_min(0) / (c2 - c3 * root)) ** (1 / m1) * (_PQ_PEAK / _WHITE)
    elif transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = torch.where(signal <= 0.5, signal**2 / 3, (((signal - c) / a).exp() + b) / 12)
        light = scene**_HLG_GAMMA * (_HLG_PEAK / _WHITE)
    else:
        curved = ((signal + _SCALE - 1) / _SCALE) ** _EXPONENT
        light = torch.where(signal <= _TOE * _SLOPE, signal / _SLOPE, curved)
    return light.float()


def _rolled_off(light: torch.Tensor, peak: float) -> torch.Tensor:
    """Compress what is brighter than the knee below 1; all channels alike, so hues are kept."""
    brightest = light.amax(-1, keepdim=True)
    above = ((brightest - _KNEE) / (1 - _KNEE)).clamp_min(0)
    most = (peak - _KNEE) / (1 - _KNEE)
    rolled = _KNEE + (1 - _KNEE) * above * (1 + above / most**2) / (1 + above)
    return torch.where(brightest > _KNEE, light * (rolled / brightest.clamp_min(1e-6)), light)


@cache
def _to_bt709(primaries: int) -> torch.Tensor:
    own = _to_xyz(PRIMARIES[primaries][1])
    return torch.from_numpy(np.linalg.inv(_to_xyz(_BT709)) @ own).float()


def _to_xyz(points: tuple[float, ...]) -> NDArray[np.float64]:
    columns = np.array(
        [[x / y, 1, (1 - x - y) / y] for x, y in zip(points[::2], points[1::2], strict=True)]
    ).T
    x, y = _D65
    white = np.array([x / y, 1, (1 - x - y) / y])
    scaled: NDArray[np.float64] = columns * np.linalg.solve(columns, white)
    return scaled
