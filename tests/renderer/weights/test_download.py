"""Downloads against a server of our own: whole, resumed, refused, and without a network."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.hub_server import COMMIT, Hub, running_hub
from renders.full_disk import largest_file
from rushes.errors import CheckpointError, DownloadError, MissingFileError, UnreachableError
from rushes.presets.catalogue import CatalogueEntry, CatalogueFile
from rushes.weights.download import download, plan_downloads, total_of
from rushes.weights.records import Record, Records

CONTENT = bytes(range(256)) * 4000  # about a megabyte
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ENTRY = CatalogueEntry(
    description="a network",
    repositories=("maker/network", "mirror/network"),
    folder="network",
    files=(CatalogueFile(name="v1/model.pt"),),
)
LONG = CONTENT * 12  # longer than what the library writes at a time
STOP, WRITTEN = 11 << 20, 10 << 20  # where the line breaks, and what was written of it by then
CLOSED = "http://127.0.0.1:9"  # where nobody listens


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        hub.add("maker/network", "v1/model.pt", CONTENT)
        yield hub


def with_file(**known: object) -> CatalogueEntry:
    file = CatalogueFile.model_validate({"name": "v1/model.pt", **known})
    return ENTRY.model_copy(update={"files": (file,)})


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(str(path.relative_to(folder)) for path in found)


def test_a_file_arrives_whole_and_its_hash_is_recorded(hub: Hub, tmp_path: Path) -> None:
    lines: list[str] = []
    (path,) = download(ENTRY, tmp_path, endpoint=hub.address, say=lines.append)
    assert path == tmp_path / "network/v1/model.pt"
    assert path.read_bytes() == CONTENT
    origin = f"maker/network@{COMMIT}/v1/model.pt"
    assert Records(tmp_path).get(path) == Record(len(CONTENT), SHA256, origin)
    assert lines == ["v1/model.pt from maker/network, 1.0 MB"]
    assert files(tmp_path) == ["network/v1/model.pt", "rushes-hashes.json"]


def test_what_is_here_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    download(ENTRY, tmp_path, endpoint=hub.address)
    assert download(ENTRY, tmp_path, endpoint=CLOSED) == [tmp_path / "network/v1/model.pt"]
    assert len(hub.requests) == 1
    download(ENTRY, tmp_path, endpoint=hub.address, force=True)
    assert len(hub.requests) == 2


def test_what_was_imported_is_not_fetched_again(tmp_path: Path) -> None:
    made = tmp_path / "network/v1/model.safetensors"
    made.parent.mkdir(parents=True)
    made.touch()
    assert download(ENTRY, tmp_path, endpoint=CLOSED) == [made]


def test_a_broken_line_is_taken_up_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    hub.add("maker/network", "v1/model.pt", LONG)
    hub.stop_after = STOP
    (path,) = download(ENTRY, tmp_path, endpoint=hub.address)
    assert path.read_bytes() == LONG
    assert [begin for _, begin in hub.requests] == [0, WRITTEN]


KILLED = """
import sys
from pathlib import Path
from rushes.weights import download as downloads
from rushes.presets.catalogue import CatalogueEntry
def stop(*args, **kwargs):
    raise KeyboardInterrupt  # as Ctrl-C while the library waits for its next try
import huggingface_hub.file_download as library
library.time.sleep = stop
entry = CatalogueEntry.model_validate_json(sys.argv[1])
downloads.download(entry, Path(sys.argv[2]), endpoint=sys.argv[3])
"""


def test_another_process_takes_up_what_an_interrupted_one_left(hub: Hub, tmp_path: Path) -> None:
    hub.add("maker/network", "v1/model.pt", LONG)
    hub.stop_after = STOP
    arguments = [ENTRY.model_dump_json(), str(tmp_path), hub.address]
    interrupted = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, timeout=120
    )
    assert "KeyboardInterrupt" in interrupted.stderr
    assert not (tmp_path / "network/v1/model.pt").exists()
    (path,) = download(ENTRY, tmp_path, endpoint=hub.address)
    assert path.read_bytes() == LONG
    assert [begin for _, begin in hub.requests] == [0, WRITTEN]


def test_the_next_repository_is_asked_where_one_lacks_the_file(hub: Hub, tmp_path: Path) -> None:
    hub.files.clear()
    hub.add("mirror/network", "v1/model.pt", CONTENT)
    download(ENTRY, tmp_path, endpoint=hub.address)
    record = Records(tmp_path).get(tmp_path / "network/v1/model.pt")
    assert record is not None
    assert record.origin.startswith("mirror/network@")


@pytest.mark.parametrize("status", [500, 503, 403])
def test_the_next_repository_is_asked_where_one_does_not_answer(
    hub: Hub, tmp_path: Path, status: int
) -> None:
    hub.broken["maker/network"] = status
    hub.add("mirror/network", "v1/model.pt", CONTENT)
    (path,) = download(ENTRY, tmp_path, endpoint=hub.address)
    assert path.read_bytes() == CONTENT
    record = Records(tmp_path).get(path)
    assert record is not None
    assert record.origin.startswith("mirror/network@")


def test_a_mirror_is_asked_where_the_maker_replaced_a_file_that_is_known(
    hub: Hub, tmp_path: Path
) -> None:
    hub.add("maker/network", "v1/model.pt", b"another one")
    hub.add("mirror/network", "v1/model.pt", CONTENT)
    (path,) = download(with_file(sha256=SHA256), tmp_path, endpoint=hub.address)
    assert path.read_bytes() == CONTENT


def test_what_fails_on_the_way_is_fetched_from_the_next_repository(
    hub: Hub, tmp_path: Path
) -> None:
    hub.hashes["/maker/network/resolve/main/v1/model.pt"] = "0" * 64  # so the content is refused
    hub.add("mirror/network", "v1/model.pt", CONTENT)
    hub.hashes["/mirror/network/resolve/main/v1/model.pt"] = "0" * 64
    lines: list[str] = []
    with pytest.raises(DownloadError, match="mirror/network sent"):
        download(ENTRY, tmp_path, endpoint=hub.address, say=lines.append)
    assert "warning: " in lines[1]
    assert "maker/network sent" in lines[1]
    assert lines[2].startswith("v1/model.pt from mirror/network")
    assert [path for path, _ in hub.requests] == [
        f"/{owner}/network/resolve/main/v1/model.pt" for owner in ("maker", "mirror")
    ]


def test_another_file_of_the_next_repository_is_not_taken(hub: Hub, tmp_path: Path) -> None:
    hub.hashes["/maker/network/resolve/main/v1/model.pt"] = "0" * 64
    hub.add("mirror/network", "v1/model.pt", b"another one")
    with pytest.raises(DownloadError, match="maker/network sent"):
        download(ENTRY, tmp_path, endpoint=hub.address)
    assert len(hub.requests) == 1


# --- revisions and hashes of before --------------------------------------------------------------


def test_a_file_that_was_lost_comes_back_from_the_revision_of_then(
    hub: Hub, tmp_path: Path
) -> None:
    (path,) = download(ENTRY, tmp_path, endpoint=hub.address)
    path.unlink()
    hub.commit = "f" * 40
    hub.add("maker/network", "v1/model.pt", b"a newer version")
    hub.add("maker/network", "v1/model.pt", CONTENT, revision=COMMIT)
    download(ENTRY, tmp_path, endpoint=hub.address)
    assert path.read_bytes() == CONTENT
    record = Records(tmp_path).get(path)
    assert record is not None
    assert record.revision_of("maker/network") == COMMIT
    assert record.revision_of("mirror/network") is None


def test_another_file_than_the_one_fetched_before_is_refused_unless_the_latest_is_wanted(
    hub: Hub, tmp_path: Path
) -> None:
    (path,) = download(ENTRY, tmp_path, endpoint=hub.address)
    hub.add("maker/network", "v1/model.pt", b"a newer version")
    with pytest.raises(DownloadError, match=r"another file now .*fetched before .*--latest takes"):
        download(ENTRY, tmp_path, endpoint=hub.address, force=True)
    assert path.read_bytes() == CONTENT
    download(ENTRY, tmp_path, endpoint=hub.address, force=True, latest=True)
    assert path.read_bytes() == b"a newer version"


# --- before a download ---------------------------------------------------------------------------


def test_sizes_and_hashes_are_known_before_anything_is_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.add("maker/network", "v1/second.pt", CONTENT[:1000])
    second = CatalogueFile(name="v1/second.pt", sha256=hashlib.sha256(CONTENT[:1000]).hexdigest())
    entry = ENTRY.model_copy(update={"files": (*ENTRY.files, second)})
    planned = plan_downloads([entry], tmp_path, endpoint=hub.address)
    assert [(each.found.size, each.found.is_pinned) for each in planned] == [
        (len(CONTENT), False),
        (1000, True),
    ]
    assert planned[0].found.sha256 == SHA256
    assert total_of(planned, tmp_path)["left"] == len(CONTENT) + 1000
    assert hub.requests == []
    assert files(tmp_path) == []


# --- refusals ------------------------------------------------------------------------------------


def test_content_with_another_hash_is_thrown_away(hub: Hub, tmp_path: Path) -> None:
    hub.hashes["/maker/network/resolve/main/v1/model.pt"] = "0" * 64
    with pytest.raises(DownloadError, match=rf"{SHA256} instead of 0000.* thrown away; try again"):
        download(ENTRY, tmp_path, endpoint=hub.address)
    assert files(tmp_path) == []


def test_a_file_that_its_publisher_replaced_is_refused_before_it_is_fetched(
    hub: Hub, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError, match="is another file now"):
        download(with_file(sha256="1" * 64), tmp_path, endpoint=hub.address)
    assert hub.requests == []


def test_a_file_that_nobody_publishes_is_named(hub: Hub, tmp_path: Path) -> None:
    hub.files.clear()
    with pytest.raises(MissingFileError) as caught:
        download(ENTRY, tmp_path, endpoint=hub.address)
    assert "v1/model.pt" in str(caught.value)
    assert "maker/network or mirror/network" in str(caught.value)


def test_a_file_of_the_wrong_size_is_in_the_way_until_forced(hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "network/v1/model.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:1000])
    entry = with_file(size=len(CONTENT), sha256=SHA256)
    with pytest.raises(CheckpointError, match=rf"{path}: has 1000 bytes instead of 1024000; give"):
        download(entry, tmp_path, endpoint=hub.address)
    download(entry, tmp_path, endpoint=hub.address, force=True)
    assert path.read_bytes() == CONTENT


def test_a_disk_that_is_too_small_is_seen_before_the_download(tmp_path: Path) -> None:
    with running_hub() as hub:
        hub.add("maker/network", "v1/model.pt", LargeFile())
        with pytest.raises(DownloadError, match=r"a network needs 1000000\.0 GB, but only .* free"):
            download(ENTRY, tmp_path / "new/models", endpoint=hub.address)
        assert hub.requests == []
    assert files(tmp_path) == []


class LargeFile(bytes):
    """Says that it has a petabyte."""

    def __len__(self) -> int:
        return 10**15


def test_a_disk_that_fills_up_is_not_taken_for_a_broken_network(hub: Hub, tmp_path: Path) -> None:
    with largest_file(50_000), pytest.raises(DownloadError, match="the disk is full; make room"):
        download(ENTRY, tmp_path, endpoint=hub.address)
    (path,) = download(ENTRY, tmp_path, endpoint=hub.address)
    assert path.read_bytes() == CONTENT


def test_without_a_network_it_says_so_and_may_be_tried_again(tmp_path: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(UnreachableError) as caught:
        download(ENTRY, tmp_path, endpoint=CLOSED)
    assert "maker/network: v1/model.pt: cannot be fetched" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (caught.value.exit_code, caught.value.retryable) == (5, True)
    assert time.monotonic() - begin < 30


def test_offline_names_the_file_and_asks_nobody(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError) as caught:
        download(ENTRY, tmp_path, offline=True, endpoint=hub.address)
    assert str(tmp_path / "network/v1/model.pt") in str(caught.value)
    assert "offline" in str(caught.value)
    assert hub.requests == []


def test_a_damaged_file_of_records_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "rushes-hashes.json").write_text('{"a.pt": {"size": 1}, "b": ')
    assert Records(tmp_path).get(tmp_path / "a.pt") is None
    (tmp_path / "rushes-hashes.json").write_text('{"a.pt": {"size": 1}}')
    assert Records(tmp_path).get(tmp_path / "a.pt") is None
