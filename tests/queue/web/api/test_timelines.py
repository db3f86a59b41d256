"""``check``, ``plan`` and ``submit`` over HTTP are those of the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from farm.commands import Farm
from renders.lora_files import write_lora
from renders.shots import block, timeline, write_clip, write_timeline
from rushes.video.contact_sheet import PICTURE_WIDTH
from rushes_queue.storage.blobs import blob_key
from web.serving import Serving

VIDEO = timeline(mode="video", ext={"inputs": [{"uri": "clip.mp4"}]})
TEXT = timeline()
FAULTY = {"prompts": [{"startTime": 1, "endTime": 0, "prompts": []}]}


@pytest.mark.parametrize("document", [TEXT, FAULTY, {"nothing": 1}], ids=str)
def test_check_says_what_the_command_says(
    farm: Farm, web: Serving, document: dict[str, Any]
) -> None:
    file = write_timeline(farm.folder / "shot.json", document)
    (printed,) = json.loads(farm.run("check", file, "--json").stdout)
    (answer,) = web.post("check", web.sent(file)).json()
    assert answer == printed | {"file": "shot.json"}
    (inline,) = web.post("check", {"timeline": document, "name": "shot.json"}).json()
    assert inline == answer


def test_plan_is_what_the_command_prints(farm: Farm, web: Serving) -> None:
    clip = write_clip(farm.folder / "clip.mp4")
    file = write_timeline(farm.folder / "shot.json", VIDEO)
    printed = json.loads(farm.run("plan", file, "--preset", "tiny", "--seed", 7, "--json").stdout)
    wanted = web.sent(file, clip) | {"preset": "tiny", "options": {"seed": 7}}
    assert web.post("plan", wanted).json() == printed


def test_a_draft_is_a_picture_and_one_at_a_time(web: Serving) -> None:
    document = timeline(block("a red house", 0, 1), block("the sea at night", 1, 2))
    answer = web.post("draft", {"timeline": document})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text
    with Image.open(io.BytesIO(answer.content)) as sheet:
        assert max(sheet.size) > 2 * PICTURE_WIDTH
    with web.services.drafting:
        busy = web.post("draft", {"timeline": document})
    assert busy.status_code == 503
    assert "another draft is being drawn" in busy.json()["errors"][0]["message"]
    assert web.post("draft", {"timeline": FAULTY}).status_code == 422
    assert not web.services.drafting.locked()
    assert list(web.services.requests_folder.iterdir()) == []


def test_submit_makes_the_job_that_the_command_makes(farm: Farm, web: Serving) -> None:
    clip = write_clip(farm.folder / "clip.mp4")
    file = write_timeline(farm.folder / "shot.json", VIDEO)
    wanted = web.sent(file, clip) | {"preset": "tiny", "tags": ["cat"], "takes": 2}
    answer = web.post("submit", wanted).json()
    printed = farm.json("submit", file, "--preset", "tiny", "--tag", "cat", "--takes", 2)
    assert [job["new"] for job in answer["jobs"]] == [True, True]
    same = [job | {"timeline": "shot.json", "new": True} for job in printed["jobs"]]
    assert answer == printed | {"jobs": same}
    document = farm.document(answer["jobs"][0]["id"])
    assert document.input is not None
    assert document.input.name == "clip.mp4"
    assert farm.storage.get_bytes(blob_key(document.input.sha256)) == clip.read_bytes()


def test_seeds_format_and_options_travel(farm: Farm, web: Serving) -> None:
    wanted = {"timeline": TEXT, "preset": "tiny", "seeds": [7, 1], "format": "webm"}
    jobs = web.post("submit", wanted | {"options": {"enlarge": 2}}).json()["jobs"]
    assert [job["seed"] for job in jobs] == [7, 1]
    request = farm.document(jobs[0]["id"]).request
    assert (request.extension, request.enlarge) == (".webm", 2)


def test_a_file_may_be_named_with_the_folder_of_its_author(farm: Farm, web: Serving) -> None:
    clip = write_clip(farm.folder / "clip.mp4")
    document = timeline(mode="video", ext={"inputs": [{"uri": "clips/of/clip.mp4"}]})
    sent = web.sent(write_timeline(farm.folder / "shot.json", document), clip)
    assert web.post("submit", sent | {"preset": "tiny"}).json()["jobs"][0]["new"]


@pytest.mark.parametrize(
    "body",
    [
        {"timeline": timeline(mode="video", ext={"inputs": [{"uri": "/etc/passwd"}]})},
        {"timeline": timeline(mode="video", ext={"inputs": [{"uri": "../../etc/passwd"}]})},
        {"timeline": TEXT, "input": "/etc/passwd"},
        {"timeline": TEXT, "input": "../x"},
        {"timeline": TEXT, "options": {"control": "/etc/passwd"}},
        {"timeline": TEXT, "options": {"references": ["/etc/passwd"]}},
        {"timeline": TEXT, "options": {"first_frame": "timeline.json/../x"}},
        {"timeline": TEXT, "preset": "/etc/preset.yaml"},
        {"timeline": TEXT, "preset": "../tiny"},
        {"timeline": TEXT, "name": "../x.json"},
        {"timeline": TEXT, "files": {"../x": "0" * 64}},
        {"timeline": TEXT, "files": {"x": "../../etc/passwd"}},
        {"timeline": TEXT, "upload": "0" * 64},
        {"upload": "../../../etc/passwd"},
        {"timeline": TEXT, "options": {"device": "cuda"}},
        {"timeline": TEXT, "options": {"output": "/tmp/x"}},
        {"timeline": TEXT, "options": {"audio": "/etc/passwd"}},
        {"timeline": TEXT, "something": 1},
        {},
    ],
    ids=str,
)
def test_no_path_of_the_server_is_taken(farm: Farm, web: Serving, body: dict[str, Any]) -> None:
    answer = web.post("submit", {"preset": "tiny"} | body)
    assert answer.status_code in (400, 404, 422), answer.text
    assert answer.json()["errors"]
    assert "root:" not in answer.text
    assert farm.store.list() == ()


def test_check_names_the_field_of_a_path(web: Serving) -> None:
    document = timeline(mode="video", ext={"inputs": [{"uri": "/etc/passwd"}]})
    (report,) = web.post("check", {"timeline": document}).json()
    assert not report["ok"]
    assert [problem["path"] for problem in report["problems"]] == ["ext.inputs[0].uri"]


@pytest.mark.parametrize(
    ("sent", "preset"),
    [
        ({"timeline": timeline(pipelineId="longlive")}, "longlive"),
        ({"timeline": TEXT, "preset": "tiny"}, "tiny"),
        ({"timeline": TEXT, "pipeline": "memflow"}, "memflow"),
        ({"timeline": TEXT | {"version": "99.1"}, "allow_version": True}, "streamdiffusionv2-1.3b"),
        ({"timeline": TEXT | {"version": "99.1"}}, None),
    ],
    ids=["by its pipeline", "chosen", "another pipeline", "of a later version", "refused"],
)
def test_check_names_the_model_of_a_timeline(
    web: Serving, sent: dict[str, Any], preset: str | None
) -> None:
    (report,) = web.post("check", sent).json()
    assert (report["ok"], report["preset"]) == (preset is not None, preset)


def test_no_folder_of_the_server_is_told(farm: Farm, web: Serving) -> None:
    document = timeline(
        mode="video",
        ext={"inputs": [{"uri": "gone.mp4"}]},
        loras=[{"path": "gone.safetensors", "scale": 1}],
    )
    for verb in ("check", "plan", "submit"):
        answer = web.post(verb, {"timeline": document})
        assert "gone" in answer.text
        assert str(farm.folder) not in answer.text
        assert "request-" not in answer.text


def test_a_lora_that_was_sent_is_found(farm: Farm, web: Serving) -> None:
    lora = write_lora(farm.folder / "film.safetensors")
    document = timeline(loras=[{"path": "film.safetensors", "scale": 0.5}])
    body = {"timeline": document, "files": {lora.name: web.upload(lora)}, "preset": "tiny"}
    (report,) = web.post("check", body).json()
    assert report["ok"], report
    assert web.post("plan", body).json()["loras"][0]["scale"] == 0.5
    (job,) = web.post("submit", body).json()["jobs"]
    assert [ref["name"] for ref in web.json(f"document/{job['id']}")["files"]] == [lora.name]


def test_a_prompt_map_is_converted_as_the_command_does(farm: Farm, web: Serving) -> None:
    prompts = {"0": "a boat", "16": "a cat"}
    file = write_timeline(farm.folder / "map.json", {"prompt_map": prompts})
    printed = json.loads(farm.run("convert", file, "--fps", 16, "--length", 32).stdout)
    answer = web.post("convert", web.sent(file) | {"fps": 16, "length": 32}).json()
    assert answer["timeline"] == printed
    (report,) = web.post("check", {"timeline": answer["timeline"]}).json()
    assert report["ok"]
    assert web.post("convert", {"timeline": {}}).status_code == 422
    assert web.post("convert", web.sent(file) | {"fps": "x"}).status_code == 422


def test_requests_leave_no_files(farm: Farm, web: Serving) -> None:
    web.post("submit", {"timeline": TEXT, "preset": "tiny"})
    assert list(Path(web.services.requests_folder).iterdir()) == []


def test_an_edited_timeline_has_the_files_of_its_job(farm: Farm, web: Serving) -> None:
    clip = write_clip(farm.folder / "clip.mp4")
    file = write_timeline(farm.folder / "shot.json", VIDEO)
    sent = web.sent(file, clip) | {"preset": "tiny", "options": {"seed": 3}}
    (first,) = web.post("submit", sent).json()["jobs"]
    edited = VIDEO | {"settings": VIDEO["settings"] | {"seed": 5}}
    source = {"job": first["id"], "timeline": edited, "name": "new.json"}
    assert web.post("check", source).json()[0]["problems"] == []
    assert web.post("plan", source).json()["seed"] == 5
    answer = web.post("submit", source)
    (second,) = answer.json()["jobs"]
    before, after = (farm.document(job["id"]) for job in (first, second))
    assert after.input == before.input
    assert (before.seed, after.seed, after.preset) == (3, 5, "tiny")
    wrong = web.post("plan", {"job": first["id"], "timeline": edited, "upload": "0" * 64})
    assert "give one of them" in wrong.json()["errors"][0]["message"]


def test_a_job_is_rendered_again_with_other_seeds(farm: Farm, web: Serving) -> None:
    clip = write_clip(farm.folder / "clip.mp4", with_sound=True)
    file = write_timeline(farm.folder / "shot.json", VIDEO)
    options = {"enlarge": 2, "noise_scale": 0.5, "audio": "sound.mp4", "seed": 3}
    sent = web.sent(file, clip)
    sent["files"]["sound.mp4"] = sent["files"]["clip.mp4"]
    (first,) = web.post("submit", sent | {"preset": "tiny", "options": options}).json()["jobs"]
    again = {"job": first["id"], "seeds": [7], "options": {"noise_scale": 0.6}}
    (second,) = web.post("submit", again).json()["jobs"]
    before, after = (farm.document(job["id"]) for job in (first, second))
    assert (before.seed, after.seed) == (3, 7)
    assert after.request.plan.noise_scale == 0.6
    same = {"preset", "timeline", "input", "audio", "name"}
    assert after.model_dump(include=same) == before.model_dump(include=same)
    assert after.request.enlarge == 2
    assert web.post("plan", {"job": first["id"]}).json()["chunks"][0]["noise_scale"] == 0.5
    assert web.post("submit", {"job": first["id"], "format": "mp4"}).json()["jobs"] == [
        first | {"new": False}
    ]
    assert web.post("submit", {"job": "0" * 16}).status_code == 404
