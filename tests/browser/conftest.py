"""One farm with a worker that renders ``pocket``, a web server and a browser, for a whole file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import rushes_queue
from farm.running import RunningFarm, WorkerProcess, running_farm
from web.browser import open_browser, watch_faults
from web.serving import Serving, serving

PATIENCE_MS = 90_000  # the machine may be busy


@dataclass
class Studio:
    """A farm with one worker, its web server, and the pages that were opened."""

    farm: RunningFarm
    web: Serving
    browser: Browser
    worker: WorkerProcess

    def start_worker(self) -> None:
        """Start another worker of the same kind."""
        self.worker = self.farm.start_worker("--models", "pocket")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; without one the tests of pages are skipped."""
    expect.set_options(timeout=PATIENCE_MS)
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def studio(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A farm at work, and its pages."""
    folder = tmp_path_factory.mktemp("web")
    with running_farm() as farm, pytest.MonkeyPatch.context() as patch:
        for name, value in farm.environment.items():
            if name.startswith("RUSHES_"):
                patch.setenv(name, value)
        with serving(rushes_queue.Farm(), folder, most_upload=2**24) as web:
            studio = Studio(farm, web, browser, None)  # type: ignore[arg-type]
            studio.start_worker()
            yield studio


@pytest.fixture
def page(studio: Studio) -> Iterator[Page]:
    """A page that has entered; nothing goes wrong in it."""
    context = studio.browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    faults = watch_faults(page)
    page.goto(studio.web.server.address)
    yield page
    context.close()
    assert not faults


@pytest.fixture
def other_page(page: Page) -> Iterator[Page]:
    """A second page of the same person."""
    other = page.context.new_page()
    faults = watch_faults(other)
    yield other
    assert not faults


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """A folder for timelines of a test."""
    return tmp_path
