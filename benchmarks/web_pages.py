"""What open pages cost the render that they look at: jobs with and without 20 pages, in turn.

    PYTHONPATH=tests/support .venv/bin/python benchmarks/web_pages.py [PAIRS]

A page is what a browser's page of a running job asks: its events, and four times a second the last
frame. What counts is the CPU time of the process that renders, which other processes do not change.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

import rushes_queue
from farm.running import WorkerProcess, running_farm
from renders.shots import block, timeline
from web.serving import Serving, serving

NUM_PAGES = 20
SECONDS_BETWEEN_FRAMES = 0.25
SHOT = timeline(block("a red boat", 0, 6), block("a blue boat", 6, 12))


class OpenPage:
    """One page of a job, in threads: its events, and its live frame."""

    def __init__(self, web: Serving, job: str, is_over: threading.Event) -> None:
        self._web, self._job, self._is_over = web, job, is_over
        self.num_frames = 0
        self.threads = [threading.Thread(target=act) for act in (self._listen, self._look)]
        for thread in self.threads:
            thread.start()

    def _client(self) -> httpx2.Client:
        bearer = {"authorization": f"Bearer {self._web.server.access.secret}"}
        return httpx2.Client(base_url=self._web.api, headers=bearer, timeout=30)

    def _listen(self) -> None:
        with self._client() as client:
            with client.stream("GET", f"{self._web.api}/watch?job={self._job}") as answer:
                for _ in answer.iter_lines():
                    if self._is_over.is_set():
                        return

    def _look(self) -> None:
        with self._client() as client:
            while not self._is_over.wait(SECONDS_BETWEEN_FRAMES):
                answer = client.get(f"{self._web.api}/preview/{self._job}?timeout=1")
                self.num_frames += answer.status_code == 200


@contextmanager
def open_pages(web: Serving, job: str, number: int) -> Iterator[list[OpenPage]]:
    """Keep pages open for as long as the block lasts."""
    is_over = threading.Event()
    pages = [OpenPage(web, job, is_over) for _ in range(number)]
    try:
        yield pages
    finally:
        is_over.set()
        for thread in (thread for page in pages for thread in page.threads):
            thread.join()


def cpu_seconds(worker: WorkerProcess) -> float:
    """Return the CPU time of the process that renders."""
    ticks = 0
    for child in worker.children():
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main(num_pairs: int) -> None:
    """Print the CPU seconds of each pair, and the median of what 20 pages add."""
    with running_farm() as farm, tempfile.TemporaryDirectory() as folder:
        os.environ.update({k: v for k, v in farm.environment.items() if k.startswith("RUSHES_")})
        with serving(rushes_queue.Farm(), Path(folder)) as web:
            worker = farm.start_worker("--models", "pocket")

            def render(seed: int, num_pages: int) -> tuple[float, int]:
                body = {"timeline": SHOT, "preset": "pocket", "seeds": [seed]}
                job = web.post("submit", body).json()["jobs"][0]["id"]
                before = cpu_seconds(worker)
                with open_pages(web, job, num_pages) as pages:
                    farm.wait([job])
                return cpu_seconds(worker) - before, sum(page.num_frames for page in pages)

            render(0, 0)  # loads the networks
            added = []
            for pair in range(1, num_pairs + 1):
                alone, _ = render(2 * pair, 0)
                watched, frames = render(2 * pair + 1, NUM_PAGES)
                added.append(watched / alone - 1)
                print(f"{alone:6.2f} s alone  {watched:6.2f} s watched, {frames} frames seen")
            print(f"{NUM_PAGES} pages add {statistics.median(added):+.1%} (median)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
