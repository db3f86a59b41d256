"""Options that commands share: taken apart from a dataclass, checked, and turned into a plan's."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
import typer
from typer.testing import CliRunner

from rushes_queue.cli.flags.flags import (
    FolderFlags,
    LoadFlags,
    PlanFlags,
    ResultFlags,
    takes_flags,
)
from rushes_queue.cli.flags.timeline_files import TimelineFile

# --- groups --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paint:
    """Options of a made-up command."""

    panel: ClassVar = "Paint"

    colour: Annotated[str, typer.Option(help="Which colour.")] = "red"
    coats: Annotated[int, typer.Option(min=1)] = 1


def command(seen: list[Any]) -> typer.Typer:
    @takes_flags
    def paint(
        wall: Annotated[str, typer.Argument()],
        how: Paint,
        twice: Annotated[bool, typer.Option("--twice")] = False,
    ) -> None:
        """Paint a wall."""
        seen.append((wall, how, twice))

    app = typer.Typer()
    app.command()(paint)
    return app


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["north"], ("north", Paint(), False)),
        (["north", "--coats", "3", "--twice"], ("north", Paint(coats=3), True)),
        (["--colour", "blue", "north"], ("north", Paint("blue"), False)),
    ],
    ids=str,
)
def test_fields_of_a_group_are_options_of_the_command(arguments: list[str], expected: Any) -> None:
    seen: list[Any] = []
    assert CliRunner().invoke(command(seen), arguments).exit_code == 0
    assert seen == [expected]


def test_the_rules_and_the_help_of_a_field_hold() -> None:
    assert CliRunner().invoke(command([]), ["north", "--coats", "0"]).exit_code == 2
    shown = CliRunner().invoke(command([]), ["--help"]).stdout
    assert "Which colour." in shown
    assert "Paint a wall." in shown


# --- the plan ------------------------------------------------------------------------------------


def test_what_is_not_given_is_left_to_the_timeline() -> None:
    options = PlanFlags().options(None, None)
    given = options.model_dump(exclude_defaults=True)
    assert given == {}


def test_texts_become_values() -> None:
    flags = PlanFlags(
        fps="30000/1001",
        duration="2.5",
        size="96x64",
        steps="700,500",
        vae="tiny-light",
        quantise="fp8",
        hold=True,
    )
    options = flags.options(7, "streamdiffusionv2")
    assert (options.fps, options.duration) == (Fraction(30000, 1001), Fraction(5, 2))
    assert (options.width, options.height) == (96, 64)
    assert options.denoising_steps == (700, 500)
    assert (options.vae_type, options.quantization) == ("lighttae", "fp8_e4m3fn")
    assert (options.at_end, options.seed) == ("hold", 7)
    assert options.pipeline == "streamdiffusionv2"


@pytest.mark.parametrize(
    ("flags", "at_end"),
    [
        (PlanFlags(), "loop"),
        (PlanFlags(loop=True), "loop"),
        (PlanFlags(hold=True), "hold"),
        (PlanFlags(stop=True), "stop"),
    ],
    ids=["nothing", "loop", "hold", "stop"],
)
def test_what_an_input_does_that_ends_early(flags: PlanFlags, at_end: str) -> None:
    assert flags.options(None, None).at_end == at_end


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (PlanFlags(hold=True, stop=True), "--hold and --stop exclude each other"),
        (PlanFlags(loop=True, hold=True, stop=True), "--loop and --hold and --stop exclude"),
        (PlanFlags(size="96"), "96"),
        (PlanFlags(size="97x64"), "97"),
        (PlanFlags(steps="500,700"), "500"),
        (PlanFlags(steps="many"), "many"),
        (PlanFlags(fps="0"), "fps"),
        (PlanFlags(fps="fast"), "fast"),
        (PlanFlags(noise_scale=1.5), "noise"),
        (PlanFlags(control_scale=3.0), "control"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_that_is_not_allowed_is_a_wrong_usage(flags: PlanFlags, fault: str) -> None:
    with pytest.raises(typer.BadParameter, match=fault):
        flags.options(None, None)


# --- files ---------------------------------------------------------------------------------------


def test_a_pipeline_that_no_preset_renders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"no preset renders it; known are .*streamdiff"):
        LoadFlags(pipeline="none").load(TimelineFile.at(tmp_path / "a.json"))


def test_folders_come_from_flags_then_from_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_MODELS_DIR", str(tmp_path / "by variable"))
    monkeypatch.setenv("RUSHES_LORA_DIR", str(tmp_path / "loras"))
    folders = FolderFlags(cache_dir=tmp_path / "cache").folders()
    assert folders.models == tmp_path / "by variable"
    assert folders.cache == tmp_path / "cache"
    assert folders.loras == (tmp_path / "loras",)
    assert FolderFlags(models_dir=tmp_path).folders().models == tmp_path


def test_lora_folders_of_flags_replace_those_of_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_LORA_DIR", str(tmp_path / "loras"))
    assert LoadFlags().lora_folders == (tmp_path / "loras",)
    assert LoadFlags(lora_dir=[tmp_path]).lora_folders == (tmp_path,)


def test_all_of_a_result_is_handed_on() -> None:
    flags = ResultFlags(
        preset="tiny",
        device="cpu",
        dtype="float32",
        threads=2,
        fit="crop",
        codec="h265",
        crf=7,
        hardware=True,
        audio="none",
        enlarge=4,
    )
    assert flags.values() == {
        "device": "cpu",
        "dtype": "float32",
        "threads": 2,
        "fit": "crop",
        "deinterlace": "auto",
        "codec": "h265",
        "crf": 7,
        "hardware_encoder": True,
        "audio": "none",
        "enlarge": 4,
    }


def test_the_number_of_threads_is_a_setting_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ResultFlags().values()["threads"] is None
    monkeypatch.setenv("RUSHES_THREADS", "3")
    assert ResultFlags().values()["threads"] == 3
    assert ResultFlags(threads=2).values()["threads"] == 2
