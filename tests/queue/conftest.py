"""What all tests of the queue share: a real server, empty for each test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.testing
from redis import Redis
from typer.main import get_command

from farm.commands import Farm, open_farm, open_farm_storage
from farm.s3_server import PLACES, bucket_settings
from farm.servers import RunningServer
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.storage.open import open_storage
from rushes_queue.storage.storage import Storage


@pytest.fixture(scope="session", autouse=True)
def commands_built_once() -> Iterator[None]:
    """Keep the tree of commands, which Typer's runner builds anew for each call, in 0.1 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", cache(get_command))
        yield


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RunningServer]:
    """The server of this test run; without persistence."""
    # Not pytest's folder: the path of a unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
        server = RunningServer(Path(folder)).start()
        yield server
        server.kill()


@pytest.fixture
def own_server() -> Iterator[RunningServer]:
    """A server of the test's own, to be mistreated; it saves what it is told."""
    with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
        server = RunningServer(Path(folder), is_saving=True).start()
        yield server
        server.thaw()
        server.kill()


@pytest.fixture
def redis_client(redis_server: RunningServer) -> Iterator[Redis]:
    """A client of an empty server."""
    with redis_server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def store(redis_client: Redis) -> JobRecords:
    """An empty store on the server's own clock."""
    return JobRecords(redis_client)


@pytest.fixture
def farm(
    request: pytest.FixtureRequest, redis_server: RunningServer, store: JobRecords, tmp_path: Path
) -> Iterator[Farm]:
    """An empty farm: broker, storage, and the commands that talk to them.

    Its storage is a folder, or a bucket for tests that name their places.
    """
    if getattr(request, "param", "folder") == "folder":
        yield open_farm(store, redis_server.url, tmp_path)
    else:
        with bucket_settings() as settings:
            yield open_farm(store, redis_server.url, tmp_path, settings)


@pytest.fixture(params=PLACES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """An empty storage: a folder, and a bucket."""
    if request.param == "folder":
        yield open_storage(str(tmp_path / "storage"))
    else:
        with bucket_settings() as settings:
            yield open_farm_storage(settings)
