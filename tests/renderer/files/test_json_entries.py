"""Entries outlast each other, and a damaged file is begun anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.files.json_entries import JsonEntries


def test_an_entry_is_added_to_those_of_other_processes(tmp_path: Path) -> None:
    ours, theirs = JsonEntries(tmp_path / "entries.json"), JsonEntries(tmp_path / "entries.json")
    ours.put("a", {"size": 1})
    theirs.put("b", {"size": 2})
    ours.put("a", {"size": 3})
    assert ours.read() == theirs.read() == {"a": {"size": 3}, "b": {"size": 2}}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_file_counts_as_empty(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "entries.json"
    file.write_bytes(content)
    entries = JsonEntries(file)
    assert entries.read() == {}
    entries.put("a", {"size": 1})
    assert entries.read() == {"a": {"size": 1}}
