"""Results, frames and sources over HTTP."""

from __future__ import annotations

import asyncio
import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.types import Message

from farm.commands import Farm
from renders.shots import SIZE, moving, write_clip
from rushes_queue.broker.preview import store_frame
from rushes_queue.web.api import files
from web.serving import Serving

SCRIPT = b"<script>alert(1)</script>"


def test_fetch_names_the_files_of_the_command(farm: Farm, web: Serving) -> None:
    job = farm.done()
    (answer,) = web.json(f"fetch/{job[:8]}")["jobs"]
    (printed,) = farm.json("fetch", job, "-o", farm.folder / "out")["jobs"]
    names = [address.rpartition("/")[2] for address in answer["files"]]
    assert names == [file.rpartition("/")[2] for file in printed["files"]]
    assert answer.keys() == printed.keys()
    assert web.client.get(answer["output"]).content == b"video of " + job.encode()
    assert str(farm.folder) not in str(answer)


def test_ranges_are_answered_as_such(farm: Farm, web: Serving) -> None:
    job = farm.done()
    address = web.json(f"fetch/{job}")["jobs"][0]["output"]
    part = web.client.get(address, headers={"range": "bytes=6-8"})
    assert (part.status_code, part.content) == (206, b"of ")
    assert part.headers["content-range"] == "bytes 6-8/25"
    assert web.client.get(address, headers={"range": "bytes=99-"}).status_code == 416
    assert web.client.head(address).status_code in (200, 405)


def test_a_job_that_is_not_done_has_no_files(farm: Farm, web: Serving) -> None:
    job = farm.submit()
    assert web.get(f"fetch/{job}").status_code == 409
    assert web.get(f"fetch/{job}/x.mp4").status_code == 409
    assert web.get("fetch/" + "0" * 16).status_code == 404


@pytest.mark.parametrize("name", ["x.mp4", "../x", "%2e%2e/%2e%2e/etc/passwd", ".."])
def test_only_files_of_the_result_are_sent(farm: Farm, web: Serving, name: str) -> None:
    assert web.get(f"fetch/{farm.done()}/{name}").status_code in (404, 422)


def test_what_could_run_in_a_page_is_a_download(farm: Farm, web: Serving) -> None:
    job = farm.submit(priority="high")
    output = f"results/x/{job}.html"
    names = {output: SCRIPT, f"{output}.json": b"{}", f"{output}.svg": SCRIPT}
    farm.publish(farm.claim(), output, names)
    for address in web.json(f"fetch/{job}")["jobs"][0]["files"]:
        answer = web.client.get(address)
        kind = answer.headers["content-type"]
        assert kind.startswith(("application/octet-stream", "application/json"))
        is_json = kind.startswith("application/json")
        assert answer.headers["content-disposition"].startswith("inline" if is_json else "attach")


def test_document_and_timeline_are_as_submitted(farm: Farm, web: Serving) -> None:
    job = farm.submit(notify=("http://example.org/secret",))
    document = web.json(f"document/{job}")
    assert document == farm.document(job).model_dump(mode="json", exclude={"notify"})
    assert web.get(f"input/{job}").status_code == 404


def test_the_last_frame_is_sent_once(farm: Farm, web: Serving) -> None:
    job = farm.submit()
    assert web.get(f"preview/{job}", timeout=0).status_code == 409
    farm.claim()
    assert web.get(f"preview/{job}", timeout=0).status_code == 504
    store_frame(farm.store.client, farm.store.prefix, job, b"jpeg")
    answer = web.get(f"preview/{job}")
    assert (answer.content, answer.headers["content-type"]) == (b"jpeg", "image/jpeg")
    tag = {"if-none-match": answer.headers["etag"]}
    again = web.client.get(f"/api/v1/preview/{job}", headers=tag)
    assert (again.status_code, again.content) == (304, b"")


def test_a_thumbnail_is_the_last_frame(farm: Farm, web: Serving) -> None:
    job = farm.submit()
    assert web.get(f"thumbnail/{job}").status_code == 409
    record = farm.claim()
    assert web.get(f"thumbnail/{job}").status_code == 204
    frames = np.concatenate([moving(30), np.full((1, SIZE, SIZE, 3), 200, np.uint8)])
    clip = write_clip(farm.folder / "result.mp4", frames)
    output = f"results/x/{job}.mp4"
    names = {output: clip.read_bytes(), f"{output}.json": b"{}", f"{output}.png": b""}
    farm.publish(record, output, names)
    for _ in range(2):
        picture = Image.open(io.BytesIO(web.get(f"thumbnail/{job}").content))
        assert abs(int(np.asarray(picture).mean()) - 200) < 4


def test_a_result_that_is_no_video_has_none(farm: Farm, web: Serving) -> None:
    answer = web.get(f"thumbnail/{farm.done()}")
    assert answer.status_code == 422
    assert str(farm.folder) not in answer.text


def test_those_who_wait_for_a_frame_wait_at_the_same_time(farm: Farm, web: Serving) -> None:
    job = farm.submit()
    farm.claim()
    begin = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: web.get(f"preview/{job}", timeout=1), range(8)))
    assert {answer.status_code for answer in answers} == {504}
    assert time.monotonic() - begin < 8


def test_a_file_is_not_read_on_when_nobody_takes_it(tmp_path: Path) -> None:
    """A disk is not kept busy by who asks for a large result and goes."""
    file = tmp_path / "large.mp4"
    with file.open("wb") as large:
        large.truncate(2**30)

    async def num_parts() -> int:
        is_gone, parts = asyncio.Event(), 0

        async def receive() -> Message:
            await is_gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal parts
            parts += 1
            if parts > 2:
                is_gone.set()
            await asyncio.sleep(0)

        await files._send(file)({"type": "http", "method": "GET", "headers": []}, receive, send)
        return parts

    assert 2 < asyncio.run(num_parts()) < 1000
