"""Folders come from flags, else from the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes_queue.cli.flags.folder_flags import FolderFlags


def test_folders_come_from_flags_then_from_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_MODELS_DIR", str(tmp_path / "by variable"))
    monkeypatch.setenv("RUSHES_LORA_DIR", str(tmp_path / "loras"))
    folders = FolderFlags(cache_dir=tmp_path / "cache").folders()
    assert folders.models == tmp_path / "by variable"
    assert folders.cache == tmp_path / "cache"
    assert folders.loras == (tmp_path / "loras",)
    assert FolderFlags(models_dir=tmp_path).folders().models == tmp_path
