"""``rushes check``: every problem of every file, and an exit code that a script can trust."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from rushes_queue.cli import app


def document(**more: Any) -> dict[str, Any]:
    block = {"startTime": 0, "endTime": 4, "prompts": [{"text": "a boat", "weight": 100}]}
    return {"prompts": [block], "version": "2.1"} | more


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "good.json", document())


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return write(tmp_path / "bad.json", document(settings={"seed": -1, "noiseScale": 2}))


def write(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data))
    return path


def write_lora(path: Path, side: int) -> None:
    name = "blocks.0.self_attn.q"
    halves = {"lora_A": torch.ones(2, side), "lora_B": torch.ones(side, 2)}
    save_file({f"{name}.{half}.weight": tensor for half, tensor in halves.items()}, path)


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def test_a_good_file_is_ok(good: Path) -> None:
    result = check(good)
    assert result.exit_code == 0
    assert result.stdout == f"{good}: ok for streamdiffusionv2-1.3b\n"


def test_all_problems_are_listed_below_their_file(good: Path, bad: Path) -> None:
    result = check(good, bad)
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert lines[1] == f"{bad}: refused (2 errors)"
    assert [line.split()[:2] for line in lines[2:]] == [
        ["error", "settings.noiseScale:"],
        ["error", "settings.seed:"],
    ]


@pytest.mark.parametrize(("with_bad", "code"), [(False, 4), (True, 3)])
def test_a_missing_file_counts_less_than_an_invalid_one(
    good: Path, bad: Path, with_bad: bool, code: int
) -> None:
    result = check(good, good.with_name("none.json"), *([bad] if with_bad else []))
    assert result.exit_code == code
    assert "there is no such file" in result.stdout


def test_json_is_one_list_with_all_problems(good: Path, bad: Path) -> None:
    result = check(good, bad, good.with_name("none.json"), "--json")
    reports = json.loads(result.stdout)
    assert [report["ok"] for report in reports] == [True, False, False]
    assert reports[0] == {
        "file": str(good),
        "ok": True,
        "preset": "streamdiffusionv2-1.3b",
        "problems": [],
    }
    problem = reports[1]["problems"][1]
    assert (problem["path"], problem["value"], problem["severity"]) == (
        "settings.seed",
        -1,
        "error",
    )


def test_planning_finds_blocks_that_are_never_shown(tmp_path: Path) -> None:
    data = document()
    data["prompts"].append({"startTime": 4, "endTime": 4.01, "prompts": [{"text": "b"}]})
    result = check(write(tmp_path / "short.json", data))
    assert result.exit_code == 0
    assert "prompts[1]: is never shown" in result.stdout


def test_what_cannot_be_planned_is_an_error(tmp_path: Path) -> None:
    data = document(ext={"schema": 1, "output": {"fps": 240}})
    data["prompts"][0]["endTime"] = 604_800
    result = check(write(tmp_path / "long.json", data))
    assert result.exit_code == 3
    assert "--duration" in result.stdout


def test_strict_makes_errors_of_unknown_keys(tmp_path: Path) -> None:
    path = write(tmp_path / "odd.json", document(fog=1))
    assert check(path).exit_code == 0
    assert check(path, "--strict").exit_code == 3


def test_a_version_can_be_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "new.json", document(version="9.0"))
    assert check(path).exit_code == 3
    assert check(path, "--allow-version").exit_code == 0


def test_loras_are_looked_up_in_the_folders_named(tmp_path: Path) -> None:
    settings = {"loras": [{"path": "/elsewhere/paper.safetensors", "scale": 1}]}
    path = write(tmp_path / "lora.json", document(settings=settings))
    assert "paper.safetensors is not on this machine" in check(path).stdout
    (tmp_path / "paper.safetensors").write_bytes(b"")
    result = check(path, "--lora-dir", tmp_path)
    assert (result.exit_code, "damaged or incomplete" in result.stdout) == (3, True)
    name = "blocks.0.self_attn.q"
    state = {
        f"{name}.lora_A.weight": torch.ones(2, 1536),
        f"{name}.lora_B.weight": torch.ones(1536, 2),
    }
    save_file(state, tmp_path / "paper.safetensors")
    assert check(path, "--lora-dir", tmp_path).stdout == f"{path}: ok for streamdiffusionv2-1.3b\n"
    folder = {"RUSHES_LORA_DIR": str(tmp_path)}
    assert (
        CliRunner().invoke(app, ["check", str(path)], env=folder).stdout
        == f"{path}: ok for streamdiffusionv2-1.3b\n"
    )


def test_plain_output_carries_no_escape_codes(bad: Path) -> None:
    assert "\x1b" not in check(bad).stdout


def test_help_starts_at_once() -> None:
    code = (
        "import sys; sys.argv[1:] = ['check', '--help']; from rushes_queue.cli import main; main()"
    )
    before = os.times()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    after = os.times()
    assert result.returncode == 0, result.stderr
    assert "--strict" in result.stdout
    used = after.children_user - before.children_user + after.children_system
    assert used - before.children_system < 1  # about 0.3 s; time that others take does not count


def test_the_commands_import_nothing_heavy(good: Path) -> None:
    code = (
        "import sys\n"
        "from rushes_queue.cli import app\n"
        "app(standalone_mode=False)\n"
        "heavy = {'torch', 'av', 'numpy', 'transformers', 'celery', 'redis', 'boto3'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'{heavy} imported' if heavy else 0)"
    )
    for command in ("check", "plan"):
        result = subprocess.run(
            [sys.executable, "-c", code, command, str(good)], capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr


def test_each_fault_of_what_steers_a_render_has_its_line(tmp_path: Path) -> None:
    images = {"vace": {"ref_images": ["a.png", "b.png", "c.png"]}}
    document = {
        "version": "2.1",
        "ext": {"schema": 1, "control": {"mask": "m.png"}},
        "prompts": [{"startTime": 0, "endTime": 1, "prompts": [{"text": "a"}], "ext": images}],
        "settings": {"inputMode": "text"},
    }
    path = tmp_path / "shot.json"
    path.write_text(json.dumps(document))
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 3
    assert "refused (2 errors)" in result.stdout
    assert "prompts[0].ext.vace.ref_images: 3 reference images, but chunk 0" in result.stdout


def test_a_lora_of_another_preset_is_accepted_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    write_lora(tmp_path / "loras" / "paper.safetensors", 64)
    settings = {"loras": [{"path": "/elsewhere/paper.safetensors", "scale": 1}]}
    result = check(write(tmp_path / "lora.json", document(settings=settings)))
    assert result.exit_code == 0
    assert "or --preset tiny, which it fits" in result.stdout


def test_a_model_that_is_not_installed_is_named_in_a_line_of_its_own(
    tmp_path: Path, good: Path
) -> None:
    result = check(good, "--models-dir", tmp_path)
    assert result.exit_code == 0
    assert result.stderr == (
        "note: model streamdiffusionv2-1.3b is not installed here; "
        "'rushes models download streamdiffusionv2-1.3b' fetches it\n"
    )


def test_a_file_that_steers_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    named = {"vace": {"ref_images": ["a.png"]}}
    block = {"startTime": 0, "endTime": 1, "text": "a boat", "ext": named}
    path = write(tmp_path / "t.json", document(prompts=[block], ext={"schema": 1}))
    result = check(path)
    assert (result.exit_code, "a.png: there is no such file" in result.stdout) == (3, True)
