"""The editor in a real browser: a timeline is changed, planned anew, and submitted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Locator, Page, expect
from safetensors.torch import save_file

from checkout import ROOT
from web.browser import drop_files, severe_findings, wait_for_js

MEADOW = ROOT / "timelines" / "meadow.mp4"
SHORT = ROOT / "timelines" / "short-video.json"  # two blocks, the second from 1 s on
NOISE = "document.querySelector('timeline-strip').plan.chunks.map((each) => each.noise_scale)"
START = "document.querySelector('timeline-strip').runs?.[1]?.start"
pytestmark = pytest.mark.slow


@pytest.fixture
def editor(studio: Any, page: Page) -> Page:
    """The editor with the shipped clip and its timeline."""
    page.goto(f"{studio.web.server.origin}/edit")
    drop_files(page, SHORT, MEADOW)
    expect(page.locator("timeline-strip .block")).to_have_count(2)
    wait_for_js(page, "document.querySelectorAll('timeline-strip .edge').length >= 2")
    return page


def second_start(page: Page) -> float:
    return float(page.evaluate(START))


def middle_of(place: Locator) -> tuple[float, float]:
    box = place.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def save(page: Page, folder: Path) -> Any:
    """Save the timeline as a person does; return the document."""
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save file").click()
    saving.value.save_as(folder / "saved.json")
    return json.loads((folder / "saved.json").read_text())


def drag_first_edge(page: Page, pixels: float) -> None:
    box = page.locator("timeline-strip .edge").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + 60
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + pixels, y, steps=4)
    page.mouse.up()


def test_an_edge_is_dragged_and_brought_back(editor: Page) -> None:
    before = second_start(editor)
    drag_first_edge(editor, 160)
    wait_for_js(editor, f"{START} > {before} + 0.05")
    moved = second_start(editor)
    assert moved in editor.evaluate("document.querySelector('timeline-strip').times")  # it caught
    editor.locator("body").press("Control+z")
    wait_for_js(editor, f"Math.abs({START} - {before}) < 1e-3")
    editor.locator("body").press("Control+Shift+z")
    wait_for_js(editor, f"Math.abs({START} - {moved}) < 1e-3")


def test_an_edge_is_moved_by_keys(editor: Page) -> None:
    before = second_start(editor)
    editor.get_by_role("slider", name="Time in the timeline").focus()
    editor.keyboard.press("PageDown")
    expect(editor.locator("#block-title")).to_have_text("Block 2 of 2")
    editor.keyboard.press("]")
    wait_for_js(editor, f"{START} > {before} + 0.05")


def test_blocks_are_split_joined_and_removed(editor: Page) -> None:
    strip = editor.get_by_role("slider", name="Time in the timeline")
    strip.focus()
    editor.keyboard.press("Shift+ArrowRight")
    editor.keyboard.press("Shift+ArrowRight")
    editor.get_by_role("button", name="Split here").click()
    expect(editor.locator("#block-title")).to_have_text(re.compile("of 3"))
    editor.get_by_role("button", name="Remove").click()
    expect(editor.locator("#block-title")).to_have_text(re.compile("of 2"))
    editor.get_by_role("button", name="Undo").click()
    editor.get_by_role("button", name="Undo").click()
    expect(editor.get_by_role("button", name="Undo")).to_be_disabled()


def test_a_draft_has_a_picture_and_grows_old(editor: Page) -> None:
    button = editor.get_by_role("button", name="Draft picture")
    expect(button).to_be_enabled()
    button.click()
    sheet = editor.get_by_role("img", name="Draft: the first chunk of each of 2 blocks")
    expect(sheet).to_be_visible()
    wait_for_js(editor, "document.querySelector('#draft-panel img').naturalWidth > 300")
    editor.get_by_label("Prompt 1").fill("a boat")
    expect(editor.locator("#draft-panel .note")).to_contain_text("has changed")


def test_points_of_the_noise_scale_are_added_moved_and_removed(
    editor: Page, tmp_path: Path
) -> None:
    lane = editor.locator("timeline-strip .curve").first.bounding_box()
    assert lane is not None
    for share in (0.02, 0.6):
        editor.mouse.dblclick(lane["x"] + lane["width"] * share, lane["y"] + 8)
    points = editor.locator("timeline-strip .curve-point")
    expect(points).to_have_count(2)
    editor.get_by_label("Noise scale of point 1").fill("0.9")
    editor.get_by_label("Easing to point 2").select_option("step")
    editor.get_by_role("slider", name="Time in the timeline").scroll_into_view_if_needed()
    x, y = middle_of(points.last)
    editor.mouse.move(x, y)

    editor.mouse.down()
    editor.mouse.move(x + 4, y - 60, steps=3)
    editor.mouse.up()
    expect(editor.get_by_label("Noise scale of point 2")).to_have_value("1")
    wait_for_js(editor, f"{NOISE}[0] === 0.9 && {NOISE}.at(-1) === 1", 20)
    saved = save(editor, tmp_path)["ext"]
    assert saved["schema"] == 1
    (first, second) = saved["schedules"]["noise_scale"]
    assert (first["v"], second["v"], second["ease"]) == (0.9, 1, "step")
    editor.keyboard.press("Delete")
    expect(points).to_have_count(1)
    editor.get_by_role("button", name="Remove point 1").click()
    expect(points).to_have_count(0)
    editor.get_by_role("button", name="Add point at playhead").click()
    expect(points).to_have_count(1)


CHUNKS = "document.querySelector('timeline-strip').plan.chunks"


def open_steered(editor: Page, folder: Path) -> None:
    """Open a timeline with a LoRA and a control clip, planned for the model that takes both."""
    layer = "diffusion_model.blocks.0.self_attn.q.lora_"
    state = {f"{layer}A.weight": torch.zeros(2, 64), f"{layer}B.weight": torch.zeros(64, 2)}
    save_file(state, folder / "Film.safetensors")
    document = json.loads((ROOT / "timelines" / "short-text.json").read_text())
    document["settings"]["loras"] = [{"path": "Film.safetensors", "scale": 1}]
    document["ext"] = {"schema": 1, "control": {"input": "meadow.mp4"}}
    (folder / "steered.json").write_text(json.dumps(document))
    drop_files(editor, folder / "Film.safetensors", folder / "steered.json")
    expect(editor.locator("#files")).to_contain_text("Film.safetensors")
    editor.get_by_label("Model preset").select_option("tiny")
    wait_for_js(editor, f"{CHUNKS}[0].steering && {CHUNKS}[0].lora_scales.length === 0")


@pytest.mark.parametrize(
    ("key", "title", "planned"),
    [
        ("lora_scale.Film", "LoRA Film", "chunk.lora_scales[0]"),
        ("vace_scale", "VACE scale", "chunk.steering.scale"),
    ],
)
def test_strengths_of_loras_and_of_steering_have_points_too(
    editor: Page, tmp_path: Path, key: str, title: str, planned: str
) -> None:
    open_steered(editor, tmp_path)
    editor.get_by_label("Value", exact=True).select_option(title)
    editor.get_by_role("slider", name="Time in the timeline").focus()
    editor.keyboard.press("Home")
    add = editor.get_by_role("button", name="Add point at playhead")
    add.click()
    expect(editor.get_by_label(f"{title} of point 1")).to_have_value("1")
    editor.get_by_label(f"{title} of point 1").fill("0.25")
    editor.keyboard.press("Tab")
    values = f"{CHUNKS}.map((chunk) => {planned})"
    wait_for_js(editor, f"{values}.every((value) => value === 0.25)")
    dots = editor.locator(f"timeline-strip .curve-point[data-key='{key}']")
    editor.get_by_role("slider", name="Time in the timeline").scroll_into_view_if_needed()
    x, y = middle_of(dots.first)
    editor.mouse.dblclick(x + 300, y)
    expect(dots).to_have_count(2)
    x, y = middle_of(dots.last)
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x, y - 60, steps=3)
    editor.mouse.up()
    wait_for_js(editor, f"{values}[0] === 0.25 && {values}.at(-1) >= 1")
    (first, second) = save(editor, tmp_path)["ext"]["schedules"][key]
    assert (first["t"], first["v"]) == (0, 0.25)
    assert second["t"] > 0
    assert second["v"] >= 1
    editor.locator("body").press("Delete")
    expect(dots).to_have_count(1)
    editor.locator("body").press("Control+z")
    expect(dots).to_have_count(2)


def test_a_double_click_on_a_lane_selects_no_words(editor: Page) -> None:
    box = editor.locator("timeline-strip svg.lanes").bounding_box()
    assert box is not None
    for y in (30, 60, 110):
        editor.mouse.dblclick(box["x"] + 60, box["y"] + y)
        assert editor.evaluate("getSelection().toString()") == ""


def test_a_block_has_its_easing_and_its_seed(editor: Page, tmp_path: Path) -> None:
    editor.get_by_role("slider", name="Time in the timeline").focus()
    editor.keyboard.press("PageDown")
    expect(editor.locator("#block-title")).to_have_text("Block 2 of 2")
    editor.get_by_label("Transition (chunks)").fill("3")
    editor.get_by_label("Transition easing").select_option("in")
    editor.get_by_label("Seed of the block").fill("77")
    wait_for_js(editor, f"{CHUNKS}.at(-1).seed >= 77 && {CHUNKS}[0].seed === 42")
    block = save(editor, tmp_path)["prompts"][1]
    assert block["ext"] == {"transition": {"ease": "in"}, "params": {"seed": 77}}
    for _ in range(3):
        editor.locator("body").press("Control+z")
    assert "ext" not in save(editor, tmp_path)["prompts"][1]


def test_faults_are_told_and_nothing_faulty_is_submitted(editor: Page) -> None:
    editor.get_by_label("Prompt 1").fill("")
    expect(editor.locator("#problems .error")).to_contain_text("prompts[0]")
    expect(editor.get_by_role("button", name="Submit")).to_be_disabled()
    editor.locator("#problems .error button").click()
    expect(editor.locator("#block-title")).to_have_text("Block 1 of 2")
    editor.get_by_label("Prompt 1").fill("a boat")
    expect(editor.get_by_role("button", name="Submit")).to_be_enabled()


def test_the_file_that_is_saved_is_the_timeline_with_what_was_changed(
    editor: Page, tmp_path: Path
) -> None:
    editor.get_by_label("Prompt 1").fill("a small boat")
    editor.get_by_label("Transition (chunks)").fill("3")
    saved, before = save(editor, tmp_path), json.loads(SHORT.read_text())
    assert saved["prompts"][0]["prompts"] == [{"text": "a small boat", "weight": 100}]
    assert saved["prompts"][0]["transitionSteps"] == 3
    assert saved["prompts"][1] == before["prompts"][1]
    assert {**saved, "prompts": 0} == {**before, "prompts": 0}


def test_the_timeline_of_a_job_is_edited_with_its_files_and_submitted(
    studio: Any, page: Page
) -> None:
    body = studio.web.sent(SHORT, MEADOW) | {"preset": "pocket", "input": "meadow.mp4"}
    (first,) = studio.web.post("submit", body).json()["jobs"]
    page.goto(f"{studio.web.server.origin}/edit/{first['id']}")
    expect(page.get_by_label("Prompt 1")).not_to_have_value("")
    page.get_by_label("Prompt 1").fill("a red boat")
    page.get_by_label("Submit with seeds, such as 1, 2, 3").fill("9")
    button = page.get_by_role("button", name="Submit")
    expect(button).to_be_enabled()
    button.click()
    page.wait_for_url(re.compile("/job/"))
    second = page.url.rpartition("/")[2]
    made = studio.web.json(f"document/{second}")
    assert made["plan"]["prompts"]["0"][0]["text"] == "a red boat"
    assert (made["preset"], made["seed"]) == ("pocket", 9)
    assert made["input"]["sha256"] == studio.web.json(f"document/{first['id']}")["input"]["sha256"]
    for job in (first["id"], second):
        studio.web.post("cancel", {"jobs": [job]})


@pytest.mark.parametrize("width", [390, 1280])
def test_the_editor_is_for_everyone(editor: Page, width: int) -> None:
    editor.set_viewport_size({"width": width, "height": 900})
    assert severe_findings(editor) == []
    assert editor.evaluate("document.documentElement.scrollWidth") <= width
