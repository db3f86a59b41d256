"""A browser of the system, driven by Playwright, and what tests do with its pages."""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, sync_playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Rules of axe whose breaking keeps somebody from using a page.
SEVERE = ("serious", "critical")
_MIME = {
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".safetensors": "application/octet-stream",
}


def find_browser() -> str:
    """Return the browser of this machine; the test is skipped where there is none."""
    for name in NAMES:
        if (path := shutil.which(name)) is not None:
            return path
    pytest.skip(f"no browser here; install one of {', '.join(NAMES)}")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start a browser without windows."""
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def watch_faults(page: Page) -> list[str]:
    """Return a list that gets what goes wrong in a page: exceptions, and what the policy stops."""
    faults: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        is_ours = "Failed to load resource" not in message.text  # which answers of 4xx are
        if message.type == "error" and is_ours:
            faults.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(f"a dialog says {dialog.message}"))
    return faults


def drop_files(page: Page, *files: Path) -> None:
    """Drop files onto a page as a person does."""
    sent = [
        {"name": file.name, "type": _MIME[file.suffix], "data": base64.b64encode(data).decode()}
        for file, data in ((file, file.read_bytes()) for file in files)
    ]
    page.evaluate(
        """async (files) => {
          const transfer = new DataTransfer();
          for (const { name, type, data } of files) {
            const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type }));
          }
          for (const kind of ["dragenter", "dragover", "drop"]) {
            const event = new DragEvent(kind, { dataTransfer: transfer, bubbles: true });
            document.body.dispatchEvent(event);
          }
        }""",
        sent,
    )


def wait_for_js(page: Page, expression: str, seconds: float = 60.0) -> None:
    """Wait until an expression is true; the page's policy lets Playwright's own way not run."""
    deadline = time.monotonic() + seconds
    while not _is_true(page, expression):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(50)


def _is_true(page: Page, expression: str) -> bool:
    try:
        return bool(page.evaluate(expression))
    except Error as error:
        if "context was destroyed" in str(error):  # by a new page, which will be asked
            return False
        raise


def severe_findings(page: Page) -> list[str]:
    """Return what axe finds that keeps somebody from using the page."""
    from axe_playwright_python.sync_playwright import Axe

    found: Any = Axe().run(page).response
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes'][:3]]}"
        for each in found["violations"]
        if each["impact"] in SEVERE
    ]
