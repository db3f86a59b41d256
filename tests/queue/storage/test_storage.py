"""What every storage promises, tried on a folder and on a real S3-compatible server."""

from __future__ import annotations

import multiprocessing
import os
import signal
import string
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from farm.s3_server import running_s3_server, s3_credentials
from rushes.errors import ConfigError, InputError, MissingFileError
from rushes_queue.storage.errors import InvalidKeyError, MissingKeyError, StorageError
from rushes_queue.storage.folder import FolderStorage
from rushes_queue.storage.keys import check_key
from rushes_queue.storage.open import open_storage
from rushes_queue.storage.source_file import SourceFile
from rushes_queue.storage.storage import Storage

FORK = multiprocessing.get_context("fork")  # as Celery's workers start
PARTS = 20 * 2**20 + 123  # bytes that travel in several parts
INVALID_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "a//b",
    "a/",
    "..",
    "a/../b",
    "./a",
    "a/.hidden",
    ".rushes-0.tmp",
    "a\\b",
    "a\0b",
    "a\nb",
    "a\x7fb",
    "a\u202eb",
    "a\udcffb",
    "a" * 256,
    "é" * 128,
    "/".join(["folder"] * 150),
]


@pytest.fixture(scope="module", params=["folder", "bucket"])
def storage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Storage]:
    if request.param == "folder":
        yield open_storage(str(tmp_path_factory.mktemp("storage") / "not" / "there yet"))
        return
    server = running_s3_server()
    with s3_credentials():
        yield open_storage(
            f"s3://{server.new_bucket()}/one/of several",
            s3_endpoint=server.endpoint,
            patience_seconds=10,
        )


@pytest.fixture(autouse=True)
def _empty_again(storage: Storage) -> Iterator[None]:
    yield
    for entry in list(storage.list()):
        storage.delete(entry.key)


def keys(storage: Storage, prefix: str = "") -> list[str]:
    return [entry.key for entry in storage.list(prefix)]


def write(path: Path, num_bytes: int) -> Path:
    path.write_bytes(os.urandom(num_bytes))
    return path


def in_processes(do: Callable[[int], object], count: int) -> list[Any]:
    """Call a function in several processes at once, and return what each returned."""
    results: Any = FORK.Queue()
    barrier = FORK.Barrier(count)

    def run(number: int) -> None:
        barrier.wait(timeout=30)
        try:
            results.put(do(number))
        except BaseException as error:
            results.put(error)

    processes = [FORK.Process(target=run, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    return found


# --- one object ----------------------------------------------------------------------------------


@pytest.mark.parametrize("num_bytes", [0, 1, 100_000])
def test_bytes_come_back_as_they_were_stored(storage: Storage, num_bytes: int) -> None:
    data = os.urandom(num_bytes)
    assert storage.put_bytes("jobs/ab/job.json", data)
    assert storage.get_bytes("jobs/ab/job.json") == data
    assert storage.exists("jobs/ab/job.json")
    assert storage.head("jobs/ab/job.json") == num_bytes


@pytest.mark.parametrize("num_bytes", [0, 1, PARTS])
def test_a_file_comes_back_as_it_was_stored(
    storage: Storage, tmp_path: Path, num_bytes: int
) -> None:
    source = write(tmp_path / "source", num_bytes)
    storage.put_file("work/1/segment.mkv", source)
    assert storage.head("work/1/segment.mkv") == num_bytes
    storage.get_file("work/1/segment.mkv", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "source"]


def test_what_is_stored_again_replaces_what_was_there(storage: Storage, tmp_path: Path) -> None:
    storage.put_bytes("a", b"a long first content")
    assert storage.put_bytes("a", b"second")
    assert storage.get_bytes("a") == b"second"
    storage.put_file("a", write(tmp_path / "third", 3))
    assert storage.head("a") == 3


def test_if_absent_never_replaces(storage: Storage) -> None:
    assert storage.put_bytes("manifest.json", b"first", if_absent=True)
    assert not storage.put_bytes("manifest.json", b"second", if_absent=True)
    assert storage.get_bytes("manifest.json") == b"first"


def test_of_many_processes_one_creates_the_object(storage: Storage) -> None:
    storage.put_bytes("before the fork", b"")
    won = in_processes(
        lambda number: storage.put_bytes("one/manifest.json", b"%d" % number, if_absent=True), 8
    )
    assert sorted(won) == [False] * 7 + [True]


def test_a_new_object_has_the_time_of_now(storage: Storage) -> None:
    storage.put_bytes("a", b"")
    entry = storage.entry("a")
    assert entry is not None
    assert abs(datetime.now(UTC) - entry.modified) < timedelta(seconds=10)
    assert [entry] == list(storage.list("a"))


def test_touching_renews_the_time_and_nothing_else(storage: Storage) -> None:
    storage.put_bytes("a/b", b"content")
    before = storage.entry("a/b")
    time.sleep(1.1)  # times of buckets are in whole seconds
    storage.touch("a/b")
    after = storage.entry("a/b")
    assert before is not None
    assert after is not None
    assert after.modified > before.modified
    assert storage.get_bytes("a/b") == b"content"


@pytest.mark.parametrize("key", ["nothing", "a/b/c", "folder", "file/below"])
def test_what_is_missing_says_so(storage: Storage, tmp_path: Path, key: str) -> None:
    storage.put_bytes("folder/x", b"")
    storage.put_bytes("file", b"")
    assert storage.entry(key) is None
    assert not storage.exists(key)
    asked: list[Callable[[], object]] = [
        lambda: storage.get_bytes(key),
        lambda: storage.get_file(key, tmp_path / "copy"),
        lambda: storage.head(key),
        lambda: storage.touch(key),
    ]
    for ask in asked:
        with pytest.raises(MissingKeyError, match="is not in the storage") as caught:
            ask()
        assert caught.value.exit_code == 4
        assert isinstance(caught.value, LookupError)
    assert not list(tmp_path.iterdir())


def test_more_bytes_than_wanted_are_not_taken_into_memory(storage: Storage) -> None:
    storage.put_bytes("a", b"12345")
    assert storage.get_bytes("a", max_bytes=5) == b"12345"
    with pytest.raises(StorageError, match="has 5 bytes; at most 4"):
        storage.get_bytes("a", max_bytes=4)


# --- many objects --------------------------------------------------------------------------------

MANY = ["a", "a-b", "a.json", "a/1", "a/b/2", "a/é", "a0", "b", "work/12/x", "work/123/x"]


@pytest.fixture
def _many(storage: Storage) -> None:
    for key in reversed(MANY):
        if key not in ("a",) or not isinstance(storage, FolderStorage):
            storage.put_bytes(key, key.encode())


@pytest.mark.usefixtures("_many")
def test_all_is_listed_in_the_order_of_the_keys(storage: Storage) -> None:
    assert keys(storage) == [key for key in MANY if storage.exists(key)] == sorted(keys(storage))
    assert [entry.size for entry in storage.list("b")] == [1]


@pytest.mark.usefixtures("_many")
def test_a_prefix_is_a_folder_and_no_part_of_a_name(storage: Storage) -> None:
    assert keys(storage, "work/12") == ["work/12/x"]
    assert keys(storage, "work") == ["work/12/x", "work/123/x"]
    assert keys(storage, "wor") == []
    assert keys(storage, "a/b") == ["a/b/2"]


@pytest.mark.usefixtures("_many")
def test_deleting_removes_a_folder_with_all_below_it_and_nothing_else(storage: Storage) -> None:
    before = keys(storage)
    assert storage.delete("work/12") == 1
    assert storage.delete("a/b/2") == 1
    assert storage.delete("a/b/2") == 0
    assert storage.delete("wor") == 0
    assert keys(storage) == [key for key in before if key not in ("work/12/x", "a/b/2")]
    assert storage.delete("work") == 1


def test_an_empty_storage_lists_nothing(storage: Storage) -> None:
    assert keys(storage) == keys(storage, "jobs") == []
    assert storage.delete("jobs") == 0


def test_listings_of_many_pages_are_whole(storage: Storage) -> None:
    names = [f"many/{number:03}" for number in range(40)]
    for name in names:
        storage.put_bytes(name, b"")
    assert keys(storage, "many") == names


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", INVALID_KEYS, ids=ascii)
def test_what_cannot_be_a_key_is_refused_everywhere(
    storage: Storage, tmp_path: Path, key: str
) -> None:
    source = write(tmp_path / "source", 1)
    asked: list[Callable[[], object]] = [
        lambda: storage.put_bytes(key, b""),
        lambda: storage.put_bytes(key, b"", if_absent=True),
        lambda: storage.put_file(key, source),
        lambda: storage.get_bytes(key),
        lambda: storage.get_file(key, tmp_path / "copy"),
        lambda: storage.exists(key),
        lambda: storage.touch(key),
        lambda: storage.delete(key),
    ]
    if key:  # nothing at all lists everything
        asked.append(lambda: list(storage.list(key)))
    for ask in asked:
        with pytest.raises(InvalidKeyError, match="cannot be a name in the storage"):
            ask()
    assert keys(storage) == []


segments = st.text(
    st.one_of(
        st.sampled_from(string.ascii_letters + string.digits + " #%?+&=~'\"*<>|:;,()[]{}@!$^`_-."),
        st.characters(exclude_categories=["C", "Z"]),
        st.sampled_from("\0\n\x7f\\\u2028\u202e"),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(segments, min_size=1, max_size=3))
@example(parts=["a#1"])
@example(parts=["a%2Fb", "%2e%2e", "x"])
@example(parts=["a?b=c&d", "e+f g", "~"])
@example(parts=["CON", "nul.txt "])
def test_every_key_is_refused_or_keeps_its_object(storage: Storage, parts: list[str]) -> None:
    key = "/".join(parts)
    try:
        check_key(key)
    except InvalidKeyError:
        with pytest.raises(InvalidKeyError):
            storage.put_bytes(key, b"")
        return
    try:
        storage.put_bytes(key, key.encode())
        assert storage.get_bytes(key) == key.encode()
        assert keys(storage) == [key]
    finally:
        storage.delete(parts[0])
    assert keys(storage) == []


# --- nothing half-done ---------------------------------------------------------------------------


def test_a_file_that_grows_while_it_is_stored_is_refused(storage: Storage, tmp_path: Path) -> None:
    for num_bytes in (10, PARTS):
        path = write(tmp_path / "growing", num_bytes)
        with SourceFile(path) as source:
            source.sha256()
            with path.open("ab") as file:
                file.write(b"more")
            with pytest.raises(InputError, match="changed while it was being read"):
                storage.put_source("a/growing", source)
        assert keys(storage) == []
        assert not list(storage.leftovers(datetime.now(UTC) + timedelta(days=1)))


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_what_is_no_file_cannot_be_stored(storage: Storage, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "source"
    if kind == "folder":
        path.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(MissingFileError if kind == "missing" else InputError, match=str(path)):
        storage.put_file("a", path)
    assert keys(storage) == []


class DyingSource(SourceFile):
    """A file whose reader is killed half-way."""

    def read(self, num_bytes: int = -1) -> bytes:
        data = super().read(num_bytes)
        if self._position > self.size // 2:
            time.sleep(0.5)  # parts before this one arrive
            os.kill(os.getpid(), signal.SIGKILL)
        return data


def test_a_writer_that_is_killed_leaves_what_was_there_and_what_it_left_can_be_removed(
    storage: Storage, tmp_path: Path
) -> None:
    storage.put_bytes("work/1/segment", b"before")
    path = write(tmp_path / "source", PARTS)

    def die() -> None:
        with DyingSource(path) as source:
            storage.put_source("work/1/segment", source)

    process = FORK.Process(target=die)
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert keys(storage) == ["work/1/segment"]
    assert storage.get_bytes("work/1/segment") == b"before"

    soon = datetime.now(UTC) + timedelta(minutes=1)
    assert not list(storage.leftovers(soon - timedelta(days=10_000)))
    (leftover,) = storage.leftovers(soon)
    storage.remove_leftover(leftover)
    storage.remove_leftover(leftover)
    assert not list(storage.leftovers(soon))


def test_readers_see_one_version_or_another_while_it_is_replaced(storage: Storage) -> None:
    versions = [bytes([number]) * size for number, size in enumerate((9, 300_000, 70_000))]
    storage.put_bytes("state.json", versions[0])

    def work(number: int) -> bool:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            if number < 2:
                storage.put_bytes("state.json", versions[number + 1])
            elif storage.get_bytes("state.json") not in versions:
                return False
        return True

    assert in_processes(work, 4) == [True] * 4


def test_folders_may_be_deleted_while_others_write_into_them(storage: Storage) -> None:
    def work(number: int) -> bool:
        for round_ in range(30):
            if number == 0:
                storage.delete("work/1")
            else:
                storage.put_bytes(f"work/1/{number}/{round_}", b"x")
        return True

    assert in_processes(work, 3) == [True] * 3
    storage.delete("work")
    assert keys(storage) == []


# --- processes, threads, memory ------------------------------------------------------------------


def test_a_storage_that_the_parent_used_works_in_its_child(storage: Storage) -> None:
    storage.put_bytes("a", b"from the parent")
    assert in_processes(lambda _: storage.get_bytes("a"), 2) == [b"from the parent"] * 2
    assert storage.get_bytes("a") == b"from the parent"


def test_threads_share_a_storage(storage: Storage) -> None:
    def work(number: int) -> bytes:
        storage.put_bytes(f"threads/{number}", b"%d" % number)
        return storage.get_bytes(f"threads/{number}")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(32))) == [b"%d" % number for number in range(32)]


@pytest.mark.slow
def test_large_files_do_not_travel_through_memory(storage: Storage, tmp_path: Path) -> None:
    size = 160 * 2**20
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(size)

    def peak(_: int) -> int:
        import resource

        storage.exists("nothing")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        storage.put_file("large", path)
        storage.get_file("large", tmp_path / "copy")
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024

    (growth,) = in_processes(peak, 1)
    assert growth < size // 2
    assert (tmp_path / "copy").stat().st_size == size


# --- the whole -----------------------------------------------------------------------------------


def test_a_storage_that_keeps_its_promises_passes_the_check(storage: Storage) -> None:
    storage.check()
    assert keys(storage) == []


class Forgetful(FolderStorage):
    """A storage that ignores conditions, as some stores do."""

    def put_bytes(self, key: str, data: bytes, if_absent: bool = False) -> bool:
        return super().put_bytes(key, data)


def test_a_storage_that_ignores_conditions_fails_the_check(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="and only once; it reads back") as caught:
        Forgetful(tmp_path).check()
    assert caught.value.exit_code == 3
    assert not list(tmp_path.iterdir())


def test_only_a_folder_knows_its_free_space(storage: Storage) -> None:
    free = storage.free_space()
    assert (free is not None and free > 0) == isinstance(storage, FolderStorage)
