"""How pictures are fitted to a size, and other choices about an input."""

from __future__ import annotations

from typing import Literal

Fit = Literal["stretch", "crop", "pad"]
Deinterlace = Literal["auto", "off"]
