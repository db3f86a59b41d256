from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from rushes.bench.counter import OpCounter
from rushes.transfer import fetch, send, to_device


def test_on_the_host_nothing_is_copied() -> None:
    tensor = torch.arange(3)
    assert to_device(tensor, torch.device("cpu")) is tensor
    assert fetch(tensor).wait() is tensor
    assert send(tensor, torch.device("cpu")).here() is tensor


def test_the_host_waits_for_no_copy() -> None:
    with torch.inference_mode(), OpCounter() as counter:
        there = to_device(torch.zeros(8), torch.device("meta"))
        assert to_device(there, torch.device("meta")) is there
        assert not fetch(there).wait().is_meta
        assert send(torch.zeros(8), torch.device("meta")).here().is_meta
    total = counter.total
    assert (total.uploads, total.downloads) == (2, 1)
    assert total.blocking_uploads == total.blocking_downloads == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_result_arrives_while_the_device_goes_on() -> None:
    made = to_device(torch.arange(1000), torch.device("cuda", 0)) * 2
    arriving = fetch(made)
    del made
    assert arriving.tensor.is_pinned()
    assert torch.equal(arriving.wait(), torch.arange(1000) * 2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_what_is_sent_from_another_thread_is_there_for_the_next_work() -> None:
    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(send, torch.arange(1000), torch.device("cuda", 0)).result()
    assert torch.equal((sent.here() * 2).cpu(), torch.arange(1000) * 2)
