"""What the tests of a running farm share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.running import RunningFarm, running_farm


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights and prompt embeddings, made once for all farms."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def running(shared_cache: Path) -> Iterator[RunningFarm]:
    """A farm with nothing in it, and without workers."""
    with running_farm(cache=shared_cache) as farm:
        yield farm
