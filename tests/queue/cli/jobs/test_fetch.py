"""``rushes fetch`` and ``rushes preview``: whole and checked files, or none."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from farm.commands import Farm
from farm.s3_server import LONG_PLACES
from rushes_queue.broker.preview import is_wanted, store_frame

pytestmark = pytest.mark.parametrize("farm", LONG_PLACES, indirect=True)

NAMES = {"output": "results/a/a.mp4", "manifest": "a", "contact_sheet": "a"}


@pytest.fixture
def published(farm: Farm) -> dict[str, Any]:
    """A result, with the id of its job."""
    job = farm.submit()
    return farm.publish(farm.claim()) | {"job": job}


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too, by their relative names."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def expected(farm: Farm, result: dict[str, Any]) -> dict[str, bytes]:
    return {os.path.basename(key): farm.storage.get_bytes(key) for key in result["files"]}


def test_video_manifest_and_contact_sheet_arrive(farm: Farm, published: dict[str, Any]) -> None:
    folder = farm.folder / "new" / "results"
    result = farm.run("fetch", published["job"][:6], "-o", folder)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{folder / os.path.basename(published['output'])}\n"
    assert files(folder) == expected(farm, published)


def test_what_is_there_already_is_left_alone(farm: Farm, published: dict[str, Any]) -> None:
    farm.run("fetch", published["job"], "-o", farm.folder)
    before = {path: path.stat().st_mtime_ns for path in farm.folder.iterdir()}
    data = farm.json("fetch", published["job"], "-o", farm.folder)
    assert data["jobs"][0]["fetched"] is False
    assert {path: path.stat().st_mtime_ns for path in farm.folder.iterdir()} == before


@pytest.mark.parametrize("which", ["output", "manifest", "contact_sheet"])
@pytest.mark.parametrize("policy", [None, "skip", "overwrite", "copy"])
def test_files_in_the_way_are_treated_as_asked(
    farm: Farm, published: dict[str, Any], which: str, policy: str | None
) -> None:
    other = farm.folder / os.path.basename(published[which])
    other.write_bytes(b"mine")
    options = ["--conflict", policy] if policy else []
    result = farm.run("fetch", published["job"], "-o", farm.folder, *options)
    found, wanted = files(farm.folder), expected(farm, published)
    match policy:
        case None:
            assert result.exit_code == 6
            assert str(other) in result.stderr
            assert found == {other.name: b"mine"}
        case "skip":
            assert result.exit_code == 0
            assert found == {other.name: b"mine"}
        case "overwrite":
            assert result.exit_code == 0
            assert found == wanted
        case _:
            stem = f"cat-42-{published['job']}"
            copies = {name.replace(stem, f"{stem}-1"): data for name, data in wanted.items()}
            assert found == {other.name: b"mine"} | copies
            assert result.stdout == f"{farm.folder / stem}-1.mp4\n"


def test_copies_are_numbered(farm: Farm, published: dict[str, Any]) -> None:
    name = os.path.basename(published["output"])
    (farm.folder / name).write_bytes(b"mine")
    (farm.folder / name.replace(".mp4", "-1.mp4.json")).write_bytes(b"mine too")
    farm.run("fetch", published["job"], "-o", farm.folder, "--conflict", "copy")
    assert name.replace(".mp4", "-2.mp4") in files(farm.folder)


@pytest.mark.parametrize("which", ["output", "manifest", "contact_sheet"])
@pytest.mark.parametrize("damage", [b"", b"short", None], ids=["empty", "other", "flipped"])
def test_a_damaged_file_leaves_nothing(
    farm: Farm, published: dict[str, Any], which: str, damage: bytes | None
) -> None:
    data = bytearray(farm.storage.get_bytes(published[which]))
    data[0] ^= 1
    farm.storage.put_bytes(published[which], bytes(data) if damage is None else damage)
    result = farm.run("fetch", published["job"], "-o", farm.folder)
    assert result.exit_code == 1
    assert published[which] in result.stderr
    assert files(farm.folder) == {}


def test_a_missing_file_leaves_nothing(farm: Farm, published: dict[str, Any]) -> None:
    farm.storage.delete(published["contact_sheet"])
    assert farm.run("fetch", published["job"], "-o", farm.folder).exit_code == 4
    assert files(farm.folder) == {}


def test_a_damaged_file_does_not_replace_a_good_one(farm: Farm, published: dict[str, Any]) -> None:
    (farm.folder / os.path.basename(published["output"])).write_bytes(b"mine")
    farm.storage.put_bytes(published["output"], b"damaged")
    result = farm.run("fetch", published["job"], "-o", farm.folder, "--conflict", "overwrite")
    assert result.exit_code == 1
    assert files(farm.folder) == {os.path.basename(published["output"]): b"mine"}


def test_pictures_arrive_in_their_folder(farm: Farm) -> None:
    job = farm.submit()
    base = f"results/2026-01-02/cat.v2-42-{job}"
    contents = {f"{base}/{number:04}.png": b"picture %d" % number for number in range(3)}
    contents |= {f"{base}.png.json": b"{}", f"{base}.png.png": b"sheet"}
    farm.publish(farm.claim(), base, contents)
    data = farm.json("fetch", job, "-o", farm.folder)
    assert data["jobs"][0]["output"] == str(farm.folder / f"cat.v2-42-{job}")
    assert set(files(farm.folder)) == {key.removeprefix("results/2026-01-02/") for key in contents}


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"output": "../a.mp4", "manifest": "a", "contact_sheet": "a", "files": {}},
        {"output": "results/a.mp4", "manifest": "a", "contact_sheet": "a", "files": {"../x": {}}},
        NAMES | {"files": {"jobs/x": {"size": 1, "sha256": "0" * 64}}},
        NAMES | {"files": {"results/a/../../../x": {"size": 1, "sha256": "0" * 64}}},
    ],
    ids=["nothing", "no files", "no hash", "elsewhere", "upwards"],
)
def test_a_result_that_leads_elsewhere_is_refused(farm: Farm, result: dict[str, Any]) -> None:
    record = farm.claim() if farm.submit() else None
    assert record is not None
    farm.store.ends.finish(record.id, record.fence, result)
    answer = farm.run("fetch", record.id, "-o", farm.folder)
    assert answer.exit_code in (1, 3)
    assert answer.stderr.startswith("error: ")
    assert files(farm.folder) == {}
    assert not (farm.folder.parent / "x").exists()


def test_only_jobs_that_are_done_have_results(farm: Farm, published: dict[str, Any]) -> None:
    waiting = farm.submit(1)
    result = farm.run("fetch", waiting, "-o", farm.folder)
    assert result.exit_code == 6
    assert "is queued" in result.stderr
    data = farm.json("fetch", waiting, published["job"], "0000", "-o", farm.folder)
    assert [job["id"] for job in data["jobs"]] == [published["job"]]
    assert [error["exit_code"] for error in data["errors"]] == [4, 6]
    assert farm.run("fetch", waiting, published["job"], "-o", farm.folder).exit_code == 10


def test_many_results_are_fetched_at_once(farm: Farm) -> None:
    for take in range(3):
        farm.done(take, tags=("night",))
    result = farm.run("fetch", "--tag", "night", "-o", farm.folder)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3
    assert len(files(farm.folder)) == 9


def test_a_folder_that_is_none_is_refused(farm: Farm, published: dict[str, Any]) -> None:
    (farm.folder / "file").write_text("")
    result = farm.run("fetch", published["job"], "-o", farm.folder / "file" / "deeper")
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1


def test_a_preview_asks_the_worker_and_writes_its_answer(farm: Farm) -> None:
    job = farm.submit()
    farm.claim()
    client, prefix = farm.store.client, farm.store.prefix

    def answer() -> None:
        while not is_wanted(client, prefix, job):
            time.sleep(0.02)
        store_frame(client, prefix, job, b"jpeg")

    worker = threading.Thread(target=answer)
    worker.start()
    data = farm.json("preview", job, "-o", farm.folder)
    worker.join()
    assert data["jobs"][0]["file"] == str(farm.folder / f"{job}.jpg")
    assert files(farm.folder) == {f"{job}.jpg": b"jpeg"}


def test_a_preview_does_not_wait_for_what_will_not_come(farm: Farm) -> None:
    job = farm.submit()
    result = farm.run("preview", job, "-o", farm.folder)
    assert result.exit_code == 6
    assert "is queued" in result.stderr
    farm.claim()
    assert farm.run("preview", job, "-o", farm.folder, "--timeout", 0).exit_code == 8
    assert files(farm.folder) == {}


NO_BROKER = ("--broker", "redis://127.0.0.1:1/0")


@pytest.mark.parametrize("which", ["id", "tag"])
def test_without_a_broker_the_storage_says_what_is_there(farm: Farm, which: str) -> None:
    job = farm.submit(tags=("night",))
    published = farm.publish(farm.claim())
    farm.submit(1, tags=("night",))
    folder = farm.folder / "results"
    chosen = [job[:6]] if which == "id" else ["--tag", "night"]
    result = farm.run("fetch", *chosen, "-o", folder, *NO_BROKER)
    assert result.exit_code == 0, result.output
    assert "the storage says what is there" in result.stderr
    assert files(folder) == expected(farm, published)


def test_without_a_broker_an_unknown_job_is_unknown(farm: Farm) -> None:
    assert farm.run("fetch", "0000", *NO_BROKER).exit_code == 4


def test_where_no_job_of_a_choice_is_done_only_that_is_said(farm: Farm) -> None:
    farm.submit(0, tags=("night",))
    result = farm.run("fetch", "--tag", "night", "-o", farm.folder / "results")
    assert (result.exit_code, result.stderr) == (0, "not done, left out: 1 queued\n")
    assert farm.run("fetch", "--tag", "day").stderr == "no such jobs\n"


def test_of_a_choice_unfinished_jobs_are_left_out(farm: Farm) -> None:
    job = farm.submit(0, tags=("night",))
    published = farm.publish(farm.claim())
    waiting = farm.submit(1, tags=("night",))
    farm.submit(2, tags=("night",))
    folder = farm.folder / "results"
    result = farm.run("fetch", "--tag", "night", "-o", folder)
    assert result.exit_code == 0, result.output
    assert result.stderr == "not done, left out: 2 queued\n"
    assert files(folder) == expected(farm, published)
    assert farm.run("fetch", job, waiting, "-o", folder).exit_code == 10  # named: refused
