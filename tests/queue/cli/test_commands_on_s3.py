"""The commands on a bucket instead of a folder: whatever moves between broker, storage and here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from farm.commands import Farm
from farm.s3_server import running_s3_server, s3_credentials
from rushes_queue.jobs.states import State
from rushes_queue.storage.open import open_storage


@pytest.fixture
def bucket_farm(farm: Farm) -> Iterator[Farm]:
    server = running_s3_server()
    url = f"s3://{server.new_bucket()}/farm"
    environment = farm.environment | {
        "RUSHES_STORAGE_URL": url,
        "RUSHES_S3_ENDPOINT": server.endpoint,
    }
    with s3_credentials():
        storage = open_storage(url, s3_endpoint=server.endpoint)
        yield replace(farm, storage=storage, environment=environment)


def test_results_are_fetched_and_checked(bucket_farm: Farm) -> None:
    good, damaged = bucket_farm.done(0), bucket_farm.done(1)
    bucket_farm.storage.put_bytes(f"results/2026-01-02/cat-42-{damaged}.mp4", b"something else")
    result = bucket_farm.run("fetch", good, damaged, "-o", bucket_farm.folder)
    assert result.exit_code == 10
    assert sorted(path.name for path in bucket_farm.folder.iterdir()) == [
        f"cat-42-{good}.mp4{more}" for more in ("", ".json", ".png")
    ]


def test_a_lost_broker_is_rebuilt_and_old_jobs_go(bucket_farm: Farm) -> None:
    done, paused = bucket_farm.done(0), bucket_farm.submit(1)
    assert bucket_farm.run("pause", paused).exit_code == 0
    bucket_farm.store.client.flushall()
    assert bucket_farm.run("reconcile").exit_code == 0
    assert bucket_farm.store.get(done).state is State.DONE
    assert bucket_farm.store.get(paused).state is State.PAUSED
    result = bucket_farm.run("prune", "--older-than", "0s", "--yes", "--json")
    assert json.loads(result.stdout)["jobs"] == [done]
    left = {entry.key.split("/")[1] for entry in bucket_farm.storage.list("jobs")}
    assert left == {paused}
