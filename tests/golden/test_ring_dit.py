"""The causal DiT with the queue cache, its drivers and its block ranges, against recordings."""

from __future__ import annotations

import pytest
import torch

from references.cases import Case, network_cases
from references.ring_replay import RingReplay


@pytest.mark.parametrize("case", network_cases("ring"))
@torch.inference_mode()
def test_ring_stream_equals_the_recorded_one(case: Case) -> None:
    replay = RingReplay(case)
    for index, call in enumerate(case.calls):
        actual = replay.call(index)
        outputs = case.outputs(index)
        if outputs:
            actual |= replay.state(list(outputs))
        found = replay.expectations()
        for name, expected in call.get("expect", {}).items():
            assert found[name] == expected, f"call {index} {name}"
        for name, expected in outputs.items():
            case.assert_close(actual[name], expected, f"call {index} {name}")
        assert not replay.noise.draws, f"call {index}: noise left over"
