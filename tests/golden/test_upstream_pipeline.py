"""The stream by upstream's rules against recorded runs of the research system, on one GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from references.cases import Case, assert_output, upstream_cases
from references.upstream_replay import UpstreamReplay, assert_final_cache
from rushes.drivers.step_batch import StepBatch
from rushes.stream.row import Row


class SingleReplay(UpstreamReplay):
    """Calls as the scripts for one GPU make them."""

    def __init__(self, case: Case) -> None:
        super().__init__(case, stream_batch=case.config["mode"] == "single")

    def call(self, index: int) -> dict[str, Tensor]:
        call = self.case.calls[index]
        self.noise.draws.extend(self.case.numbered(f"inputs.{index}.noise"))
        self.recorder.encoded = self.recorder.frames = None
        row = self._row(call, index)
        clean = self.driver.begin(row) if index == 0 else self.driver.advance(row)
        found = {"latents_noisy": row.latents, "latents": self._returned(clean, index)}
        if call.get("decoded"):
            last = found["latents"][-1:]  # also where our driver says that nothing is finished
            found["frames_u8"] = self.stream._decode(last)
            assert self.recorder.frames is not None
            found["frames"] = self.recorder.frames[-4:]
        if self.recorder.encoded is not None:
            found["encoded"] = self.recorder.encoded
        assert not self.noise.draws, "noise left over"
        return found

    def _row(self, call: dict[str, Any], index: int) -> Row:
        position = call["current_start"] // self.tokens
        given = self.case.get(f"inputs.{index}.latents_noisy")
        if given is not None:
            return self._row_of_latents(call, position, given)
        if "frames" in call or self.is_text:
            row = self.row(index, position, call.get("frames"))
            assert row.timesteps == tuple(call["step_list_after"])
            return row
        drawn = self.noise.draws.popleft() if call["latent_noise_draws"] else None
        return self.row_without_input(position, drawn)

    def _row_of_latents(self, call: dict[str, Any], position: int, latents: Tensor) -> Row:
        if self.last is None:
            self.noise.draws.appendleft(latents)  # as if drawn for text
            return self.row(0, position, None)
        row = self.row_without_input(position, latents)
        self.last = replace(row, timesteps=(call["current_step"], *row.timesteps[1:]))
        return self.last

    def _returned(self, clean: Tensor | None, index: int) -> Tensor:
        if isinstance(self.driver, StepBatch) and index > 0:
            return torch.cat([row.latents for row in self.driver.returned[-1]])
        assert clean is not None
        return clean

    def decisions(self, call: dict[str, Any]) -> dict[str, Any]:
        """What the case records beside tensors, in latent frames."""
        cache = self.kv_cache
        rows = len(call["evict_order_block0"]) if "evict_order_block0" in call else 0
        queues = [state.queue for state in cache.states[0][:rows]]
        found: dict[str, Any] = {"evict_order_block0": queues}
        if isinstance(self.driver, StepBatch):
            found["row_starts"] = [row.position for row in self.driver.rows]
        return found


@pytest.mark.parametrize("case", upstream_cases(is_pipe=False))
@torch.inference_mode()
def test_stream_equals_the_recorded_one(case: Case) -> None:
    replay = SingleReplay(case)
    for index, call in enumerate(case.calls):
        actual = replay.call(index)
        for name, found in replay.decisions(call).items():
            if call.get(name) is not None:
                assert found == replay.in_frames(call[name]), f"call {index} {name}"
        for name, expected in case.outputs(index).items():
            assert_output(case, actual[name], expected, name, f"call {index} {name}")
    assert_final_cache(case, "outputs.final.kv", replay.kv_cache, replay.tokens)
