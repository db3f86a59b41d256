from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rushes.bench.counter import Counts, OpCounter


def meta(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta", dtype=torch.bfloat16)


@torch.inference_mode()
def test_what_cuda_does_in_one_launch_counts_as_one() -> None:
    linear = nn.Linear(8, 16, device="meta", dtype=torch.bfloat16)
    x = meta(1, 4, 8)
    with OpCounter() as counter:
        y = linear(x)
        y = functional.rms_norm(y, (16,), meta(16), 1e-6)
        q = y.unflatten(-1, (2, 8)).transpose(1, 2)
        functional.scaled_dot_product_attention(q, q, q).transpose(1, 2).flatten(2)
    assert counter.total.launches == 3
    assert counter.ops == {"linear": 1, "rms_norm": 1, "scaled_dot_product_attention": 1}


@torch.inference_mode()
def test_a_convolution_adds_its_bias_in_a_launch_of_its_own() -> None:
    x, weight = meta(1, 3, 8, 8), meta(4, 3, 3, 3)
    with OpCounter() as counter:
        functional.conv2d(x, weight)
        functional.conv2d(x, weight, meta(4))
    assert counter.total.launches == 3


@torch.inference_mode()
def test_bytes_are_what_is_read_and_written_once() -> None:
    x, row = meta(4, 8), meta(1, 8)
    with OpCounter() as counter:
        x + row.expand(4, 8)
        x.copy_(row)
        x.add_(row)
    assert counter.total.bytes == 2 * ((32 + 8 + 32) + (8 + 32) + (32 + 8 + 32))


@torch.inference_mode()
def test_copies_are_counted_by_their_way_and_whether_the_host_waits() -> None:
    host = torch.zeros(8)
    with OpCounter() as counter:
        device = host.to("meta", non_blocking=True)
        host.to(device="meta", dtype=torch.bfloat16)
        device.copy_(host, non_blocking=True)
        assert not device.cpu().is_meta
        host.copy_(device, non_blocking=True)
        assert (device.sum() > 0.1).item() == 0.5
    assert counter.total == Counts(
        launches=2,
        bytes=(8 + 1) * 4 + 4 + 1,
        uploads=3,
        blocking_uploads=1,
        downloads=3,
        blocking_downloads=2,
    )


@torch.inference_mode()
def test_views_and_memory_cost_nothing_and_the_host_is_apart() -> None:
    x, host = meta(4, 8), torch.zeros(100, 100)
    with OpCounter() as counter, counter.stage("idle"):
        torch.empty_like(x[:, :4].transpose(0, 1).unsqueeze(0))
        host + 1
        host[0] + 1
    assert counter.by_stage["idle"] == counter.total == Counts(host_ops=1)
