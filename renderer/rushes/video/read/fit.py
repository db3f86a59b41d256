"""How pictures of one shape are made to fit into another."""

from __future__ import annotations

from typing import Literal

Fit = Literal["stretch", "crop", "pad"]
