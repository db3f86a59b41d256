"""Make the pictures of docs/web.md: every page at three widths, dark and light, of a farm at work.

    PYTHONPATH=tests/support .venv/bin/python tools/web_pictures.py [PAGE...]

It needs a browser (see docs/web.md) and some minutes. A picture of 2,560 pixels is stored at half
its size.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page

import rushes_queue
from checkout import ROOT
from farm.running import RunningFarm, running_farm
from rushes_queue.jobs.states import State
from web.browser import open_browser, wait_for_js
from web.serving import Serving, serving

TARGET = ROOT / "docs" / "images" / "web"
WIDTHS = {390: 844, 1280: 860, 2560: 1300}
SCHEMES = ("dark", "light")
COLOURS = 224
TIMELINES = ROOT / "timelines"
MEADOW = TIMELINES / "meadow.mp4"
PATIENCE_SECONDS = 300.0


def submit(web: Serving, name: str, **more: Any) -> str:
    """Submit one of the shipped timelines over the shipped clip."""
    body = web.sent(TIMELINES / f"{name}.json", MEADOW) | {"preset": "pocket"} | more
    if name != "short-text":
        body["input"] = MEADOW.name
    answer = web.post("submit", body)
    answer.raise_for_status()
    return str(answer.json()["jobs"][0]["id"])


def fill_farm(farm: RunningFarm, web: Serving) -> dict[str, str]:
    """Give the farm jobs in every state; return those whose pages are shown."""
    enlarge = {"options": {"enlarge": 4}}
    farm.start_worker("--models", "pocket", "--name", "studio-1")
    done = submit(web, "evolution", tags=["meadow", "final"], **enlarge)
    takes = [submit(web, "short-video", seeds=[seed], tags=["cat"], **enlarge) for seed in (7, 8)]
    farm.wait([done, *takes], timeout=PATIENCE_SECONDS)
    cancelled = submit(web, "feline", tags=["test"], seeds=[3])
    web.post("cancel", {"jobs": [cancelled]})
    paused = submit(web, "prey", priority="low", seeds=[5])
    web.post("pause", {"jobs": [paused]})
    running = submit(web, "feline", tags=["meadow"], priority="high", **enlarge)
    farm.wait([running], frozenset({State.RUNNING}), timeout=PATIENCE_SECONDS)
    submit(web, "prey", tags=["meadow"], **enlarge)
    text = web.sent(TIMELINES / "short-text.json") | {"preset": "tiny", "tags": ["draft"]}
    web.post("submit", text)
    compared = "&".join(f"job={take}" for take in takes)
    return {
        "board": "/",
        "job": f"/job/{done}",
        "live": f"/job/{running}",
        "compare": f"/compare?{compared}",
        "editor": f"/edit/{done}",
    }


POINTS = ((0.04, 10), (0.42, 22), (0.68, 12))  # of the noise scale: share of the time, height


def add_points(page: Page) -> None:
    """Give the noise scale some points, as a person does."""
    lane = page.evaluate("document.querySelector('#strip').lane('noise_scale').top")
    box = page.locator("timeline-strip svg.lanes").bounding_box()
    assert box is not None
    for share, height in POINTS:
        page.mouse.dblclick(box["x"] + box["width"] * share, box["y"] + lane + height)


def settle(page: Page, name: str) -> None:
    """Wait until a page shows what it is to show."""
    if name == "job":
        wait_for_js(page, "Boolean(document.querySelector('timeline-strip image'))")
        page.evaluate("document.querySelector('#strip').seek(13.2)")
    if name == "live":
        wait_for_js(page, "document.querySelector('live-frame img')?.hidden === false")
    if name == "editor":
        wait_for_js(page, "document.querySelectorAll('timeline-strip .edge').length > 4")
        add_points(page)
        wait_for_js(page, "document.querySelectorAll('timeline-strip .curve-point').length > 2")
        page.evaluate("document.querySelector('#strip').seek(10.2)")
    if name == "compare":
        wait_for_js(page, "document.querySelectorAll('#measures td').length > 0", PATIENCE_SECONDS)
        page.evaluate("document.querySelector('#strip').seek(1.4)")
    page.wait_for_timeout(2500)


def take_picture(
    browser: Browser, web: Serving, name: str, path: str, width: int, scheme: Any
) -> None:
    """Store one picture with few colours."""
    size: Any = {"width": width, "height": WIDTHS[width]}
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.goto(web.server.address)
    page.goto(f"{web.server.origin}{path}")
    settle(page, name)
    picture: Image.Image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    context.close()
    if width > 2000:
        picture = picture.resize(
            (picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS
        )
    few = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(TARGET / f"{name}-{width}-{scheme}.png", optimize=True)


def main(wanted: list[str]) -> None:
    """Make the pictures of these pages, or of all."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with running_farm() as farm, tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        variables = {name: text for name, text in farm.environment.items() if "RUSHES" in name}
        os.environ.update(variables)
        with serving(rushes_queue.Farm(), Path(folder), most_upload=2**26) as web:
            pages = fill_farm(farm, web)
            order = ["live", *(name for name in pages if name != "live")]  # while it runs
            for name in (each for each in order if each in (wanted or order)):
                for width in WIDTHS:
                    for scheme in SCHEMES:
                        take_picture(browser, web, name, pages[name], width, scheme)


if __name__ == "__main__":
    main(sys.argv[1:])
