"""How timeline files are read: pipelines and folders of LoRAs."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from rushes_queue.cli.flags.load_flags import LoadFlags
from rushes_queue.cli.flags.timeline_files import TimelineFile


def test_a_pipeline_that_no_preset_renders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"no preset renders it; known are .*streamdiff"):
        LoadFlags(pipeline="none").load(TimelineFile.at(tmp_path / "a.json"))


def test_lora_folders_of_flags_replace_those_of_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_LORA_DIR", str(tmp_path / "loras"))
    assert LoadFlags().lora_folders == (tmp_path / "loras",)
    assert LoadFlags(lora_dir=[tmp_path]).lora_folders == (tmp_path,)
