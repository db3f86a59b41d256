"""What the tests of a running farm share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.running import RunningFarm, running_farm
from farm.s3_server import LONG_PLACES, PLACES, bucket_settings


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests marked ``anywhere`` on a folder and on a bucket; in the long form all of them."""
    if "running" in metafunc.fixturenames:
        is_anywhere = metafunc.definition.get_closest_marker("anywhere")
        metafunc.parametrize("running", PLACES if is_anywhere else LONG_PLACES, indirect=True)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights and prompt embeddings, made once for all farms."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def running(request: pytest.FixtureRequest, shared_cache: Path) -> Iterator[RunningFarm]:
    """A farm with nothing in it, and without workers; its storage is a folder or a bucket."""
    if request.param == "folder":
        with running_farm(cache=shared_cache) as farm:
            yield farm
    else:
        with bucket_settings() as settings, running_farm(settings, cache=shared_cache) as farm:
            yield farm
