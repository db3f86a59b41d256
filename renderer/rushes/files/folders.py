"""The folders of this machine that a render uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    """Where this machine keeps weights, and what can be made again."""

    models: Path
    cache: Path
    loras: tuple[Path, ...] = ()  # where LoRA files are looked for
