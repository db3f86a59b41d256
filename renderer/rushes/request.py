"""What a user asks for beside the timeline: files, and how pictures come in and go out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from rushes.timeline.options import PlanOptions

Fit = Literal["stretch", "crop", "pad"]


class RenderRequest(BaseModel):
    """One result to be made; ``plan`` holds the options that decide its chunks.

    ``audio`` is ``input``, ``none`` or a file; ``None`` leaves it to the timeline, as with
    ``codec`` and ``crf``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeline: Path
    output: Path
    input: Path | None = None
    plan: PlanOptions = PlanOptions()
    preset: str
    device: str = "auto"
    dtype: str = "auto"
    fit: Fit = "stretch"
    codec: str | None = None
    crf: int | None = None
    hardware_encoder: bool = False
    audio: str | None = None

    @property
    def manifest_path(self) -> Path:
        """The manifest lies beside the result, ``.json`` behind its whole name."""
        return self.output.with_name(f"{self.output.name}.json")

    @property
    def sheet_path(self) -> Path:
        """The contact sheet, likewise with ``.png``."""
        return self.output.with_name(f"{self.output.name}.png")
