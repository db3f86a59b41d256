"""What the tests of a running farm share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.running import RunningFarm, running_farm
from farm.s3_server import running_s3_server, s3_credentials


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights and prompt embeddings, made once for all farms."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def running(request: pytest.FixtureRequest, shared_cache: Path) -> Iterator[RunningFarm]:
    """A farm with nothing in it, and without workers; its storage is a folder or a bucket."""
    if getattr(request, "param", "folder") == "folder":
        with running_farm(cache=shared_cache) as farm:
            yield farm
        return
    server = running_s3_server()
    environment = {
        "RUSHES_STORAGE_URL": f"s3://{server.new_bucket()}/farm",
        "RUSHES_S3_ENDPOINT": server.endpoint,
    }
    with s3_credentials(), running_farm(environment, cache=shared_cache) as farm:
        yield farm
