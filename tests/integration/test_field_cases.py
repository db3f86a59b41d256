"""Files that people brought, through the real commands, with the right answer of each.

They stay in ``$FIELD_DIR``, a folder a case; its README has the table of answers.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from checkout import ROOT
from farm.answers import Asker, asker
from rushes_queue.jobs.record import FailureKind
from rushes_queue.jobs.states import State

FIELD = Path(os.environ.get("FIELD_DIR", ROOT.parent / "shared" / "field"))

pytestmark = pytest.mark.skipif(not FIELD.is_dir(), reason=f"{FIELD} is not here")


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    with asker(tmp_path_factory.mktemp("asked")) as asked:
        yield asked


def documents(case: Path, suffix: str = ".json") -> list[Path]:
    found = sorted(case.glob(f"*{suffix}"))
    assert found, f"{case} holds no {suffix}"
    return found


def video_of(case: Path) -> Path:
    (found,) = (path for path in case.iterdir() if path.is_file() and path.suffix != ".json")
    return found


def frames_sha256(ask: Asker, file: Path, *options: object) -> str:
    answer = ask.agreed(file, *options)
    assert answer.code == 0, answer.output
    return str(ask.manifest()["frames_sha256"])


def without(file: Path, folder: Path, *keys: str) -> Path:
    """Copy a timeline without some of its settings."""
    document = json.loads(file.read_text())
    for key in keys:
        del document["settings"][key]
    copy = folder / file.name
    copy.write_text(json.dumps(document))
    return copy


def a_picture_that_steers_is_asked_for(ask: Asker, case: Path, folder: Path) -> None:
    """With the picture beside it the same document renders, and is steered."""
    for file in documents(case):
        answer = ask.agreed(file)
        assert answer.code == 3
        assert "ref.png steers the render and is not here; copy it beside" in answer.errors[0]
        copy = folder / file.name
        copy.write_bytes(file.read_bytes())
        Image.new("RGB", (64, 64), "red").save(folder / "ref.png")
        steered = frames_sha256(ask, copy)
        assert ask.manifest()["sha256"]["steering"].keys() == {"ref.png"}
        Image.new("RGB", (64, 64), "blue").save(folder / "ref.png")
        assert frames_sha256(ask, copy) != steered


def an_embedded_picture_steers(ask: Asker, case: Path, folder: Path) -> None:
    for file in documents(case):
        steered = frames_sha256(ask, file)
        assert len(ask.manifest()["sha256"]["steering"]) == 1
        document = json.loads(file.read_text())
        del document["embedded_assets"]
        bare = folder / file.name
        bare.write_text(json.dumps(document))
        assert ask.agreed(bare).code == 3
        del document["pipelines"][0]["params"]["vace_ref_images"]
        bare.write_text(json.dumps(document))
        assert frames_sha256(ask, bare) != steered


def a_preprocessor_blocks_the_render(ask: Asker, case: Path, folder: Path) -> None:
    for file in documents(case):
        answer = ask.agreed(file)
        assert answer.code == 3
        (error,) = answer.errors
        assert "cannot run here" in error
        assert "--control" in error


def alpha_counts_wherever_it_stands(ask: Asker, case: Path, folder: Path) -> None:
    assert len({frames_sha256(ask, file) for file in documents(case)}) == 1


def an_adapter_changes_the_picture(ask: Asker, case: Path, folder: Path) -> None:
    for file in documents(case):
        changed = frames_sha256(ask, file)
        assert frames_sha256(ask, without(file, folder, "loras")) != changed


def a_lora_is_judged_from_its_header(ask: Asker, case: Path, folder: Path) -> None:
    an_adapter_changes_the_picture(ask, case, folder)
    for file in documents(case):
        loras = folder / "loras"
        loras.mkdir()
        for whole in (case / "loras").iterdir():
            (loras / whole.name).write_bytes(whole.read_bytes()[:-1000])
        copy = folder / file.name
        copy.write_bytes(file.read_bytes())
        assert ask.agreed(copy).code == 3


def remarks_on(ask: Asker, case: Path, *options: object) -> set[str]:
    """Return what a plan and a manifest say of the video of a case; both must say the same."""
    video = video_of(case)
    file = next(iter(sorted(case.glob("*.json"))), None) or ask.farm.folder / "v2v.json"
    if not file.exists():
        block = {"startTime": 0, "endTime": 9, "prompts": [{"text": "boat", "weight": 100}]}
        settings = {"inputMode": "video", "resolution": {"height": 64, "width": 64}}
        file.write_text(json.dumps({"version": "2.1", "prompts": [block], "settings": settings}))
    answers = ask.all(file, "--input", video, "--duration", "input", *options, cut=())
    assert {answer.code for answer in answers.values()} == {0}, answers
    found = [answers[name].warnings for name in ("plan", "render", "submit")]
    assert found[0] == found[1] == found[2]
    assert found[0] <= set(ask.manifest()["warnings"])
    return set(found[0])


def hdr_is_tone_mapped(ask: Asker, case: Path, folder: Path) -> None:
    assert any("tone-mapped to BT.709" in remark for remark in remarks_on(ask, case))


def interlaced_frames_are_made_whole(ask: Asker, case: Path, folder: Path) -> None:
    (remark,) = remarks_on(ask, case)
    assert remark.endswith("interlaced: deinterlaced")
    whole = ask.manifest()["frames_sha256"]
    (remark,) = remarks_on(ask, case, "--deinterlace", "off")
    assert remark.endswith("interlaced: left as it is, as asked")
    assert ask.manifest()["frames_sha256"] != whole


def seconds_of_result(ask: Asker) -> float:
    made = ask.manifest()
    return float(made["num_frames"] / made["fps"])


def appended_takes_all_play(ask: Asker, case: Path, folder: Path) -> None:
    assert any("2 takes are appended" in remark for remark in remarks_on(ask, case))
    assert seconds_of_result(ask) == pytest.approx(2, abs=0.05)


def a_jump_of_time_stamps_closes(ask: Asker, case: Path, folder: Path) -> None:
    assert any("time stamps jump" in remark for remark in remarks_on(ask, case))
    assert seconds_of_result(ask) == pytest.approx(2.1, abs=0.15)


def the_best_stream_is_taken(ask: Asker, case: Path, folder: Path) -> None:
    remarks_on(ask, case)
    assert ask.manifest()["num_frames"] > 1


def converted(ask: Asker, file: Path, to: Path) -> tuple[dict[str, Any], str]:
    """Convert a file; return the document, and what was said about it."""
    result = ask.farm.run("convert", file, "-o", to, "--force")
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(to.read_text())
    return document, result.output


def deforum_loses_no_word(ask: Asker, case: Path, folder: Path) -> None:
    for file in documents(case):
        to = folder / file.name
        document, said = converted(ask, file, to)
        texts = [block["prompts"][0]["text"] for block in document["prompts"]]
        assert texts[:2] == ["a cat", "a dog"]
        assert document["prompts"][1]["startTime"] == pytest.approx(59 / 15, abs=1e-5)
        assert document["ext"]["prefix"] == "film grain"
        assert document["ext"]["inputs"] == [{"uri": "in.mp4"}]
        for key in ("animation_prompts_negative", "strength_schedule", "expression in backticks"):
            assert key in said
        twice = folder / "twice.json"
        twice.write_text(file.read_text().replace('"seed":', '"seed":1,"seed":'))
        assert ask.farm.run("convert", twice).exit_code == 3
        (folder / "in.mp4").write_bytes(video_of(FIELD / MOVING).read_bytes())
        assert frames_sha256(ask, to, "--size", "64x64") is not None
    odd = folder / "odd.json"
    texts = ["<lora:film:1>", "(a boat:1.3)", "[day|night]", "__weather__"]
    blocks = [
        {"startTime": at, "endTime": at + 1, "prompts": [{"text": text, "weight": 100}]}
        for at, text in enumerate(texts)
    ]
    settings = {"inputMode": "text", "resolution": {"height": 64, "width": 64}}
    odd.write_text(json.dumps({"version": "2.1", "prompts": blocks, "settings": settings}))
    for answer in ask.all(odd).values():
        assert answer.code == 0
        assert [any(text in said for said in answer.warnings) for text in texts] == [True] * 4


def prompt_tools_convert(ask: Asker, case: Path, folder: Path) -> None:
    for file in (*documents(case), *documents(case, ".txt")):
        assert ask.agreed(file).code == 3
        assert "rushes convert" in ask.agreed(file).errors[0]
        to = folder / f"{file.stem}.json"
        converted(ask, file, to)
        frames_sha256(ask, to, "--size", "64x64")


def no_broker_address_ends_in_a_traceback(ask: Asker, case: Path | None, folder: Path) -> None:
    for address in (
        *("rediss://127.0.0.1:1/0?ssl_cert_reqs=CERT_NONE", "redis://127.0.0.1:1/0?ssl=True"),
        *("redis://127.0.0.1:1/?virtual_host=3", "redis://127.0.0.1:1/0?colour=red"),
        *("redis://:se#cr/et@127.0.0.1:1/0", "redis://:secr@et@127.0.0.1:1/0", "redis://:se/cret@"),
    ):
        environment = {**ask.farm.environment, "RUSHES_BROKER_URL": address}
        result = replace(ask.farm, environment=environment).run("jobs")
        assert isinstance(result.exception, SystemExit), address
        assert result.exit_code in (3, 5), result.output
        assert not re.search(r"se#|cr/et|secr|/cret", result.output), result.output
        if "se" in address.partition("@")[0].removeprefix("rediss"):
            assert "percent-encode" in result.output, result.output


def what_waits_for_a_failed_job_ends(ask: Asker, case: Path, folder: Path) -> None:
    farm = ask.farm
    for waiting in farm.store.ids("", 100):  # of other cases
        farm.store.changes.cancel(waiting)
    cause_file, *_ = documents(case)

    def submit(*more: object) -> str:
        result = farm.run("submit", cause_file, "--preset", "tiny", "--new", *more)
        assert result.exit_code == 0, result.output
        return result.stdout.strip()

    cause = submit("--priority", "high")
    second = submit("--after", cause)
    third = submit("--after", second)
    record = farm.claim()
    assert record.id == cause
    farm.store.ends.fail(cause, record.fence, FailureKind.INPUT, "no")
    late = submit("--after", cause)
    assert {farm.store.get(job).state for job in (cause, second, third, late)} == {State.FAILED}
    assert farm.run("watch", third, late).exit_code == 1
    assert farm.run("retry", cause).exit_code == 0
    assert {farm.store.get(job).state for job in (cause, second, third, late)} == {State.QUEUED}


def the_unseen_words_are_named(ask: Asker, case: Path, folder: Path) -> None:
    for file in documents(case):
        text = json.loads(file.read_text())["prompts"][0]["prompts"][0]["text"]
        last = " ".join(text.split()[-4:])
        for answer in ask.all(file).values():
            assert answer.code == 0
            (warning,) = answer.warnings
            assert f'{last}"' in warning
        assert warning in ask.manifest()["warnings"]


Check = Callable[[Asker, Path, Path], None]
CASES: dict[str, Check] = {
    "01": a_picture_that_steers_is_asked_for,
    "02": an_embedded_picture_steers,
    "03": a_preprocessor_blocks_the_render,
    "04": alpha_counts_wherever_it_stands,
    "05": an_adapter_changes_the_picture,
    "06": a_lora_is_judged_from_its_header,
    "07": hdr_is_tone_mapped,
    "08": interlaced_frames_are_made_whole,
    "09": appended_takes_all_play,
    "10": a_jump_of_time_stamps_closes,
    "11": the_best_stream_is_taken,
    "12": deforum_loses_no_word,
    "13": prompt_tools_convert,
    "14": no_broker_address_ends_in_a_traceback,
    "15": what_waits_for_a_failed_job_ends,
    "16": the_unseen_words_are_named,
}
WITHOUT_FILES = {"14"}
MOVING = "07-hdr-input"  # whose video serves where any will do


def test_every_folder_is_a_case_of_the_table() -> None:
    found = {path.name[:2] for path in FIELD.iterdir() if path.is_dir()}
    assert found - CASES.keys() == set()


@pytest.mark.parametrize("number", CASES, ids=lambda number: f"{number}-{CASES[number].__name__}")
def test_a_case_gets_its_answer(ask: Asker, number: str, tmp_path: Path) -> None:
    case = next(FIELD.glob(f"{number}-*"), None)
    if case is None and number not in WITHOUT_FILES:
        pytest.skip(f"{FIELD} has no case {number}")
    CASES[number](ask, case or tmp_path, tmp_path)
