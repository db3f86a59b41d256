"""How a video's numbers encode light: transfer functions and primaries other than BT.709's.

Source: ITU-T H.273 (code points), BT.601, BT.2020, SMPTE EG 432-1 (primaries)
"""

from __future__ import annotations

from dataclasses import dataclass

import av

# H.273 code points.
PQ, HLG = 16, 18
LINEAR = 8
_LIKE_BT709 = {1, 6, 7, 14, 15}
_TRANSFERS = {PQ: "PQ", HLG: "HLG", LINEAR: "linear light"}
_UNSAID = {0, 2, 3}
PRIMARIES = {  # name and x, y of red, green, blue; white is D65 but for DCI-P3
    5: ("BT.601 (625 lines)", (0.640, 0.330, 0.290, 0.600, 0.150, 0.060)),
    6: ("BT.601 (525 lines)", (0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    7: ("SMPTE 240M", (0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    9: ("BT.2020", (0.708, 0.292, 0.170, 0.797, 0.131, 0.046)),
    11: ("DCI-P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    12: ("Display P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    22: ("EBU 3213", (0.630, 0.340, 0.295, 0.605, 0.155, 0.077)),
}
BT709, BT2020 = 1, 9  # primaries, and matrices
# Matrices that FFmpeg's scaler knows; untagged video is guessed from its size, as players do.
_BT601_MATRIX, _CONSTANT_LUMINANCE = 6, 10
_KNOWN_MATRICES = {BT709, 4, 5, _BT601_MATRIX, 7, BT2020}
_UNREADABLE_MATRICES = {
    8: "YCgCo",
    11: "Y'D'zD'x",
    14: "ICtCp",
    15: "IPT-C2, as of Dolby Vision",
    16: "YCgCo-R",
    17: "YCgCo-R",
}
_HD_WIDTH, _HD_HEIGHT = 1280, 720


@dataclass(frozen=True)
class Colour:
    """How a video's numbers encode light, if not as in BT.709."""

    transfer: int
    primaries: int

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Colour | None:
        """Return what must be converted of a frame; None if it is BT.709 or untagged."""
        transfer = int(frame.color_trc)
        transfer = transfer if transfer in _TRANSFERS else BT709
        primaries = _primaries(frame)
        primaries = primaries if primaries in PRIMARIES else BT709
        return None if (transfer, primaries) == (BT709, BT709) else cls(transfer, primaries)

    @property
    def is_hdr(self) -> bool:
        return self.transfer in (PQ, HLG)

    def __str__(self) -> str:
        names = [_TRANSFERS.get(self.transfer), PRIMARIES.get(self.primaries, ("", ()))[0]]
        made = "tone-mapped to BT.709" if self.is_hdr else "converted to BT.709"
        return f"{', '.join(name for name in names if name)}: {made}"


def unknown_transfer(frame: av.VideoFrame) -> int | None:
    """Return the code of a transfer function that is tagged but not known here."""
    code = int(frame.color_trc)
    known = _LIKE_BT709 | _TRANSFERS.keys() | _UNSAID | {4, 5, 11, 13}  # gammas near 2.4; sRGB
    return None if code in known else code


def _primaries(frame: av.VideoFrame) -> int:
    """Return the primaries; untagged HLG and PQ, and BT.2020's matrices, have those of BT.2020.

    Source: ITU-R BT.2100 (both transfer functions are defined with these primaries)
    """
    primaries = int(frame.color_primaries)
    if primaries not in _UNSAID:
        return primaries
    is_wide = int(frame.color_trc) in (PQ, HLG) or frame.colorspace in (BT2020, _CONSTANT_LUMINANCE)
    return BT2020 if is_wide else primaries


def assumed_matrix(frame: av.VideoFrame) -> int | None:
    """Return the matrix to assume for a frame that does not say which it has; else None.

    Constant luminance, which no scaler reads, is taken for the usual kind: greys are the same.
    """
    if frame.format.is_rgb or frame.colorspace in _KNOWN_MATRICES:
        return None
    if _primaries(frame) == BT2020:
        return BT2020
    is_hd = frame.width >= _HD_WIDTH or frame.height >= _HD_HEIGHT
    return BT709 if is_hd else _BT601_MATRIX


def unreadable_matrix(frame: av.VideoFrame) -> str | None:
    """Return the name of the frame's way to store colours if nothing here can convert it."""
    return None if frame.format.is_rgb else _UNREADABLE_MATRICES.get(int(frame.colorspace))
