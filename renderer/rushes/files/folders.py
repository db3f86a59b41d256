"""The folders of this machine that a render uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    """Where this machine keeps weights, caches and LoRAs."""

    models: Path
    cache: Path
    loras: tuple[Path, ...] = ()  # where LoRA files are looked for
