"""The noise schedule against recorded tables and operations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from references.cases import Case, cases_of
from references.schedule_rules import clean_to_flow, euler_step, training_weights
from rushes.stream.schedule import FlowSchedule, add_noise, flow_to_clean

# The constructor of the reference has other defaults than the pipelines that use it.
CONSTRUCTOR_DEFAULTS = {
    "shift": 3.0,
    "num_steps": 100,
    "sigma_min": 0.003 / 1.002,
    "extra_one_step": False,
}
NOT_OURS = {"training", "num_train_timesteps"}


def schedule_of(settings: dict[str, Any]) -> FlowSchedule:
    kept = {name: value for name, value in settings.items() if name not in NOT_OURS}
    return FlowSchedule(**(CONSTRUCTOR_DEFAULTS | kept))


def answers(case: Case, index: int, call: dict[str, Any]) -> dict[str, Tensor]:
    """Run one recorded call; the name of every answer is that of its recorded output."""
    schedule = schedule_of(call["scheduler"])
    get = {
        name.removeprefix(f"inputs.{index}."): tensor
        for name, tensor in case.tensors.items()
        if name.startswith(f"inputs.{index}.")
    }
    match call["op"]:
        case "tables":
            tables = {"sigmas": schedule.sigmas, "timesteps": schedule.timesteps}
            if call["scheduler"].get("training"):
                tables["training_weights"] = training_weights(schedule)
            return tables
        case "nearest":
            timesteps = get["timestep"]
            return {"index": schedule.nearest(timesteps), "sigma": schedule.sigma(timesteps)}
        case "add_noise":
            sigma = schedule.sigma(get["timestep"])
            return {"noisy": add_noise(get["original"], get["noise"], sigma)}
        case "flow_to_x0":
            sigma = schedule.sigma(get["timestep"])
            return {"x0": flow_to_clean(get["xt"], get["flow_pred"], sigma)}
        case "x0_to_flow":
            sigma = schedule.sigma(get["timestep"])
            return {"flow_pred": clean_to_flow(get["xt"], get["x0"], sigma)}
        case "step":
            flow, noisy = get["model_output"], get["sample"]
            step = euler_step(schedule, flow, get["timestep"], noisy, call["to_final"])
            return {"prev": step}
        case "warp":
            return {"timesteps": schedule.warp(get["denoising_steps"])}
        case unknown:
            raise AssertionError(f"{case.path.name}: unknown operation {unknown}")


@pytest.mark.parametrize("case", cases_of("scheduler"))
def test_schedule_equals_the_recorded_one(case: Case) -> None:
    for index, call in enumerate(case.calls):
        actual = answers(case, index, call)
        expected = case.outputs(index)
        assert actual.keys() == expected.keys()
        for name, tensor in expected.items():
            case.assert_close(actual[name], tensor, f"call {index} {name}")


def test_timestep_zero_keeps_a_trace_of_noise() -> None:
    assert FlowSchedule().sigma(torch.tensor(0)).item() == pytest.approx(0.007944, abs=1e-6)
