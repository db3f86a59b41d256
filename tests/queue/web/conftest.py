"""A web server on an empty farm, for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import rushes_queue
from farm.commands import Farm
from web.serving import Serving, serving


@pytest.fixture
def web(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """A server of the farm whose commands the fixture ``farm`` runs."""
    for name, value in farm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RUSHES_CACHE_DIR", str(farm.folder / "cache"))
    with serving(rushes_queue.Farm(), farm.folder) as served:
        yield served
