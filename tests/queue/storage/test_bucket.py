"""What a storage in a bucket does beyond the promises of every storage: patience, lost answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farm.s3_server import Behaviour, Proxy, running_s3_server, s3_credentials
from rushes.errors import ConfigError, InputError
from rushes_queue.storage.bucket import BucketStorage
from rushes_queue.storage.errors import (
    DiskFullError,
    MissingKeyError,
    StorageBusyError,
    StorageUnreachableError,
)
from rushes_queue.storage.url import BucketPlace

Behave = Callable[[str, str, int], Behaviour]
Open = Callable[..., tuple[BucketStorage, Proxy]]


@pytest.fixture
def behind() -> Iterator[Open]:
    """Opens an empty bucket behind a proxy that behaves as it is told."""
    proxies: list[Proxy] = []
    server = running_s3_server()

    def open_behind(behave: Behave, patience_seconds: float = 10.0) -> tuple[BucketStorage, Proxy]:
        proxies.append(Proxy(server, behave))
        place = BucketPlace(server.new_bucket(), "farm")
        return BucketStorage(place, proxies[-1].endpoint, None, patience_seconds), proxies[-1]

    with s3_credentials():
        yield open_behind
    for proxy in proxies:
        proxy.close()


def first(behaviour: Behaviour, count: int = 1) -> Behave:
    """Behave like this at the first requests that write, then well."""
    seen = iter(range(count))
    return lambda method, path, number: (
        behaviour if method in ("PUT", "POST") and next(seen, None) is not None else "answer"
    )


@pytest.mark.parametrize("behaviour", ["busy", "lose answer"])
def test_what_passes_is_tried_again(behind: Open, behaviour: Behaviour) -> None:
    storage, proxy = behind(first(behaviour, 4))
    assert storage.put_bytes("a", b"content")
    assert storage.get_bytes("a") == b"content"
    assert proxy.count(behaviour) == 4


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("busy", StorageBusyError),
        ("full", DiskFullError),
        ("forbid", StorageUnreachableError),
        ("lose answer", StorageUnreachableError),
    ],
)
def test_what_does_not_pass_is_told(
    behind: Open, behaviour: Behaviour, kind: type[Exception]
) -> None:
    storage, _ = behind(lambda *_: behaviour, patience_seconds=0.2)
    with pytest.raises(kind, match=r"storage s3://bucket-.*/farm: a/b: "):
        storage.put_bytes("a/b", b"content")


@pytest.mark.parametrize("behaviour", ["full", "forbid"])
def test_what_stays_wrong_is_asked_once(behind: Open, behaviour: Behaviour) -> None:
    storage, proxy = behind(lambda *_: behaviour)
    with pytest.raises((DiskFullError, StorageUnreachableError)):
        storage.get_bytes("a")
    assert len(proxy.requests) <= 3  # botocore itself may repeat a status of 507


def test_who_lost_the_answer_still_knows_that_the_object_is_its_own(behind: Open) -> None:
    storage, proxy = behind(first("lose answer"))
    assert storage.put_bytes("result.json", b"mine", if_absent=True)
    assert proxy.count("lose answer") == 1
    assert not storage.put_bytes("result.json", b"other", if_absent=True)
    assert storage.get_bytes("result.json") == b"mine"


def test_a_copy_that_was_cut_begins_again_from_its_start(behind: Open, tmp_path: Path) -> None:
    storage, proxy = behind(
        lambda method, path, number: "cut answer" if method == "GET" and number < 4 else "answer"
    )
    storage.put_bytes("a", b"content" * 1000)
    storage.get_file("a", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content" * 1000
    assert proxy.count("cut answer") > 0


def test_a_copy_that_cannot_be_written_names_its_file(behind: Open, tmp_path: Path) -> None:
    storage, _ = behind(lambda *_: "answer")
    storage.put_bytes("a", b"content")
    with pytest.raises(InputError, match="none/copy: cannot be written"):
        storage.get_file("a", tmp_path / "none" / "copy")


def test_a_bucket_that_is_not_there_is_told_from_a_missing_object(behind: Open) -> None:
    storage, proxy = behind(lambda *_: "answer")
    with pytest.raises(MissingKeyError, match="a: is not in the storage"):
        storage.get_bytes("a")
    other = BucketStorage(BucketPlace("no-such-bucket"), proxy.endpoint, None, 1.0)
    with pytest.raises(StorageUnreachableError, match="check bucket, endpoint and credentials"):
        other.get_bytes("a")


def test_objects_beside_the_prefix_are_not_its_own(behind: Open) -> None:
    storage, proxy = behind(lambda *_: "answer")
    bucket = storage.url.split("/")[2]
    whole = BucketStorage(BucketPlace(bucket), proxy.endpoint, None, 1.0)
    whole.put_bytes("farmhouse/a", b"")
    storage.put_bytes("a", b"")
    assert [entry.key for entry in storage.list()] == ["a"]
    assert [entry.key for entry in whole.list()] == ["farm/a", "farmhouse/a"]


def test_an_endpoint_comes_from_the_argument_then_from_the_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "RUSHES_S3_ENDPOINT"):
        monkeypatch.setenv(name, name)  # each counts more than the one before
        with pytest.raises(ConfigError, match=f"'{name}' is not an address; write http://"):
            BucketStorage(BucketPlace("films"), None, None, 1.0)
    BucketStorage(BucketPlace("films"), "https://host", None, 1.0)
