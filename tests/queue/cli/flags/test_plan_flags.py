"""Options of a plan are checked, and the rest is left to the timeline."""

from __future__ import annotations

from fractions import Fraction

import pytest
import typer

from rushes_queue.cli.flags.plan_flags import PlanFlags


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
