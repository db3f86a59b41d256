"""What one machine of a farm measured is read by the others."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from rushes_queue.archive.shared_rates import fetch_rates, share_rates
from rushes_queue.storage.open import open_storage


def test_each_machine_reads_what_the_others_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(str(tmp_path / "storage"))
    measured = tmp_path / "rates.json"
    for name in ("desk", "attic.local", "attic.local"):
        measured.write_text(name)
        monkeypatch.setattr(platform, "node", lambda name=name: name)
        share_rates(storage, measured)
    assert list(fetch_rates(storage)) == [b"desk"]
    monkeypatch.setattr(platform, "node", lambda: "../third")
    assert sorted(fetch_rates(storage)) == [b"attic.local", b"desk"]


def test_a_machine_that_measured_nothing_stores_nothing(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "storage"))
    share_rates(storage, tmp_path / "rates.json")
    assert list(storage.list("rates")) == []
