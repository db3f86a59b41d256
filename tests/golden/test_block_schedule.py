"""How blocks are spread over ranks, against recorded splits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from references.block_split import default_split, resplit
from references.cases import Case, cases_of


def as_tensor(split: list[range]) -> Tensor:
    return torch.tensor([[blocks.start, blocks.stop] for blocks in split])


@pytest.mark.parametrize("case", cases_of("block_schedule"))
def test_splits_equal_the_recorded_ones(case: Case) -> None:
    for index in range(len(case.calls)):
        get = {
            name: case.tensors[f"inputs.{index}.{name}"]
            for name in ("blocks", "rank_times", "dit_times")
        }
        split = [range(*blocks) for blocks in get["blocks"].tolist()]
        found = resplit(split, get["rank_times"].tolist(), get["dit_times"].tolist())
        case.assert_close(as_tensor(found), case.outputs(index)["blocks"], f"call {index}")
    for name, expected in case.tensors.items():
        if name.startswith("outputs.default."):
            num_blocks, num_ranks = map(int, name.split(".")[2:])
            case.assert_close(as_tensor(default_split(num_blocks, num_ranks)), expected, name)
