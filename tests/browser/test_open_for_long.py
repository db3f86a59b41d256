"""Pages that stay open for ten minutes, while a job renders: what they keep does not grow."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from renders.shots import block, timeline

SECONDS = 600.0
SECONDS_TO_SETTLE = 60.0
LENGTH_SECONDS = 4800.0  # of the video
MOST_GROWTH_MIB = 3.0  # of what scripts hold; the log of a job and the list of jobs may grow a bit
MOST_NEW_NODES = 400
MOST_SERVER_GROWTH_MIB = 60.0
pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


class Watched:
    """What one page holds, after its garbage is gone."""

    def __init__(self, page: Page) -> None:
        self._line: CDPSession = page.context.new_cdp_session(page)
        self._line.send("Performance.enable")

    def look(self) -> tuple[float, int]:
        """Return MiB that scripts hold, and how many nodes there are."""
        self._line.send("HeapProfiler.collectGarbage")
        used = float(self._line.send("Runtime.getHeapUsage")["usedSize"]) / 2**20
        metrics = self._line.send("Performance.getMetrics")["metrics"]
        return used, int(next(each["value"] for each in metrics if each["name"] == "Nodes"))


def server_mib() -> float:
    """Return the memory of this process, in which the web server runs."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def submit_long(studio: Any, folder: Path) -> str:
    """Submit a job that takes longer than the pages are open, on most machines."""
    half = LENGTH_SECONDS / 2
    blocks = [block("a red boat", 0, half), block("a blue boat", half, LENGTH_SECONDS)]
    file = folder / "long.json"
    file.write_text(json.dumps(timeline(*blocks)), encoding="utf-8")
    answer = studio.web.post("submit", studio.web.sent(file) | {"preset": "pocket"})
    return str(answer.json()["jobs"][0]["id"])


def test_two_pages_stay_open_for_ten_minutes_while_a_job_renders(
    studio: Any, page: Page, other_page: Page, tmp_path: Path
) -> None:
    """The page of the job, with its live frame, and the board."""
    job = submit_long(studio, tmp_path)
    page.goto(f"{studio.web.server.origin}/job/{job}")
    expect(page.locator("live-frame img")).to_be_visible()
    other_page.goto(studio.web.server.origin)
    expect(other_page.locator(f"[data-id='{job}']")).to_be_visible()
    watched = (Watched(page), Watched(other_page))
    page.wait_for_timeout(SECONDS_TO_SETTLE * 1000)
    before, server_before = [each.look() for each in watched], server_mib()
    chunk_before = studio.farm.store.get(job).chunk
    page.wait_for_timeout((SECONDS - SECONDS_TO_SETTLE) * 1000)
    after, server_after = [each.look() for each in watched], server_mib()
    print(f"before {before} {server_before:.0f} MiB, after {after} {server_after:.0f} MiB")
    assert studio.farm.store.get(job).chunk > chunk_before
    for (heap, nodes), (heap_after, nodes_after) in zip(before, after, strict=True):
        assert heap_after - heap < MOST_GROWTH_MIB
        assert nodes_after - nodes < MOST_NEW_NODES
    assert server_after - server_before < MOST_SERVER_GROWTH_MIB
    studio.web.post("cancel", {"jobs": [job]})
