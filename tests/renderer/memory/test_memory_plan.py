"""Fitting a card: what is refused, what is proposed, and where the text encoder goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from renders.shots import timeline, write_timeline
from rushes.errors import MemoryShortError
from rushes.memory.estimate import DeviceMemory
from rushes.memory.memory_plan import AS_IT_IS, MemoryPlan, estimate_plan, plan_memory
from rushes.presets.preset import load_preset
from rushes.timeline.document import Lora
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import load_timeline

SMALL, LARGE = load_preset("streamdiffusionv2-1.3b"), load_preset("streamdiffusionv2-14b")


def plan_of(folder: Path, preset: Any = SMALL, **options: Any) -> RenderPlan:
    file = write_timeline(folder / "shot.json", timeline(mode="text"))
    wanted = PlanOptions(width=832, height=480, **options)
    return plan_render(load_timeline(file).require(), wanted, preset)


def card(gigabytes: float, free: float | None = None) -> DeviceMemory:
    return DeviceMemory(int(gigabytes * 1e9), int((gigabytes if free is None else free) * 1e9))


def fit(plan: RenderPlan, memory: DeviceMemory | None, preset: Any = SMALL) -> MemoryPlan:
    return plan_memory(preset, plan, device="cuda:0", memory=memory)


def test_a_large_card_changes_nothing(tmp_path: Path) -> None:
    assert fit(plan_of(tmp_path), card(24)) == AS_IT_IS
    assert fit(plan_of(tmp_path, LARGE), card(80), LARGE) == AS_IT_IS


def test_where_nobody_knows_everything_fits(tmp_path: Path) -> None:
    assert fit(plan_of(tmp_path, LARGE), None, LARGE) == AS_IT_IS


def test_the_text_encoder_goes_to_the_cpu_where_the_card_has_no_room(tmp_path: Path) -> None:
    assert fit(plan_of(tmp_path), card(11)).text_encoder_on_cpu


def test_where_the_text_encoder_goes_does_not_depend_on_other_programs(tmp_path: Path) -> None:
    busy, idle = fit(plan_of(tmp_path), card(24, free=11)), fit(plan_of(tmp_path), card(24))
    assert (busy.text_encoder_on_cpu, str(busy)) == (idle.text_encoder_on_cpu, str(idle))


def test_the_autoencoder_keeps_its_rooms_where_they_fit(tmp_path: Path) -> None:
    """Without them the picture is the same, so the text of the plan does not tell."""
    plan = plan_of(tmp_path)
    estimate = estimate_plan(SMALL, plan)
    assert fit(plan, DeviceMemory(int(24e9), estimate.at_ease)).keeps_vae_rooms
    short = fit(plan, DeviceMemory(int(24e9), estimate.at_ease - 1))
    assert short == MemoryPlan(keeps_vae_rooms=False)
    assert str(short) == str(AS_IT_IS)


def test_what_only_makes_it_faster_is_given_up_first(tmp_path: Path) -> None:
    """The autoencoder's rooms, then the pairs of chunks, then what changes the picture."""
    plan = plan_of(tmp_path)
    estimate = estimate_plan(SMALL, plan)
    total = int(24e9)
    assert fit(plan, DeviceMemory(total, estimate.paired)) == MemoryPlan(keeps_vae_rooms=False)
    serial = MemoryPlan(keeps_vae_rooms=False, pairs_chunks=False)
    assert fit(plan, DeviceMemory(total, estimate.paired - 1)) == serial
    assert fit(plan, DeviceMemory(total, estimate.rendering)) == serial
    assert str(serial) == str(AS_IT_IS)
    with pytest.raises(MemoryShortError, match="--quantise fp8 would fit"):
        fit(plan, DeviceMemory(total, estimate.rendering - 1))


def test_the_large_model_fits_25_gb_without_pairs(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, LARGE, quantization="fp8_e4m3fn", vae_type="tae")
    short = fit(plan, card(25), LARGE)
    assert (short.quantise, short.pairs_chunks) == ("fp8", False)
    assert fit(plan, card(27), LARGE).pairs_chunks


def test_another_way_to_remember_has_no_pairs_to_give_up(tmp_path: Path) -> None:
    ring = replace(plan_of(tmp_path), variant="ring")
    assert estimate_plan(SMALL, ring).pairing == 0


def test_a_plan_can_ask_for_fp8(tmp_path: Path) -> None:
    assert fit(plan_of(tmp_path, quantization="fp8_e4m3fn"), card(24)) == MemoryPlan("fp8")


@pytest.mark.parametrize(
    ("gigabytes", "proposal"),
    [
        (40, "--quantise fp8 would fit"),
        (25, "--quantise fp8 --vae tae would fit"),
        (22, "--quantise fp8 --vae tae --size 624x352 would fit"),
        (8, "use another device"),
    ],
)
def test_a_card_that_is_too_small_is_told_what_would_fit(
    gigabytes: float, proposal: str, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, LARGE)
    with pytest.raises(MemoryShortError) as caught:
        fit(plan, card(gigabytes), LARGE)
    message = str(caught.value)
    assert "streamdiffusionv2-14b at 832x480 needs about 43.9 GB on cuda:0" in message
    assert message.endswith(f"where {gigabytes:.1f} GB are free; {proposal}")


def test_a_stream_batch_that_does_not_fit_could_run_in_sequence(tmp_path: Path) -> None:
    chunks = [replace(chunk, denoising_steps=(700, 500)) for chunk in plan_of(tmp_path).chunks]
    plan = replace(plan_of(tmp_path), stream_batch=True, chunks=tuple(chunks))
    with pytest.raises(MemoryShortError, match="free; --sequential would fit"):
        fit(plan, card(11))
    assert fit(replace(plan, stream_batch=False), card(11))


def test_what_is_proposed_fits(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, LARGE, quantization="fp8_e4m3fn", vae_type="tae")
    assert fit(plan, card(25), LARGE).quantise == "fp8"
    assert estimate_plan(LARGE, plan).rendering < 25e9


@pytest.mark.parametrize(
    "lean", [MemoryPlan(keeps_vae_rooms=False), MemoryPlan(pairs_chunks=False)]
)
def test_networks_stay_loaded_for_what_only_makes_it_faster(lean: MemoryPlan) -> None:
    assert AS_IT_IS.loads_as(lean)
    assert lean.loads_as(AS_IT_IS)
    assert not AS_IT_IS.loads_as(replace(lean, quantise="fp8"))
    assert not AS_IT_IS.loads_as(MemoryPlan(text_encoder_on_cpu=True))


def test_the_next_smaller_setting_is_the_last() -> None:
    smaller = AS_IT_IS.smaller()
    assert smaller == MemoryPlan(
        "fp8", text_encoder_on_cpu=True, keeps_vae_rooms=False, pairs_chunks=False
    )
    assert smaller.smaller() is None
    assert str(smaller) == "linear layers in fp8 and the text encoder on the CPU"


def with_lora(plan: RenderPlan) -> RenderPlan:
    return replace(plan, loras=(Lora(name="film", scale=1.0, merge_mode="permanent_merge"),))


def test_loras_are_no_reason_against_fp8(tmp_path: Path) -> None:
    assert fit(with_lora(plan_of(tmp_path, quantization="fp8_e4m3fn")), card(24)).quantise == "fp8"
    with pytest.raises(MemoryShortError, match="free; --quantise fp8 would fit"):
        fit(with_lora(plan_of(tmp_path, LARGE)), card(40), LARGE)
