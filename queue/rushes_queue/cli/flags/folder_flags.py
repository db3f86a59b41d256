"""Options about the folders of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

if TYPE_CHECKING:
    from rushes.files.folders import Folders


@dataclass(frozen=True)
class FolderFlags:
    """Where this machine keeps weights, and what can be made again."""

    panel: ClassVar = "Folders"

    models_dir: Annotated[
        Path | None,
        typer.Option(help="Folder with the public weights. Also RUSHES_MODELS_DIR."),
    ] = None
    cache_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for what can be made again. Also RUSHES_CACHE_DIR."),
    ] = None

    def folders(self) -> Folders:
        from rushes.files.folders import Folders
        from rushes_queue.local.machine_settings import load_settings

        settings = load_settings({"models_dir": self.models_dir, "cache_dir": self.cache_dir})
        return Folders(settings.models_dir, settings.cache_dir, settings.lora_dir)
