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
}


@dataclass(frozen=True)
class Colour:
    """How a video's numbers encode light, if not as in BT.709."""

    transfer: int
    primaries: int

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Colour | None:
        """Return what must be converted of a frame; None if it is BT.709 or untagged."""
        transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
        transfer = transfer if transfer in _TRANSFERS else 1
        primaries = primaries if primaries in PRIMARIES else 1
        return None if (transfer, primaries) == (1, 1) else cls(transfer, primaries)

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
