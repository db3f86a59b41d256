"""How pictures of one shape are made to fit into another, and what else is done to an input."""

from __future__ import annotations

from typing import Literal

Fit = Literal["stretch", "crop", "pad"]
Deinterlace = Literal["auto", "off"]
