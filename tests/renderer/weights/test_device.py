"""Choosing a device and a number format, and saying what there is when one is not."""

from __future__ import annotations

import pytest
import torch

from rushes.errors import ConfigError
from rushes.weights.device import (
    available_devices,
    choose_device,
    choose_dtype,
    device_memory,
    device_name,
    release_memory,
)

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")


def test_a_cpu_is_always_there() -> None:
    assert available_devices()[-1] == "cpu"
    assert choose_device("cpu") == CPU


def test_auto_takes_the_fastest_kind() -> None:
    assert str(choose_device("auto")) == available_devices()[0]
    assert choose_device() == choose_device("auto")


@pytest.mark.parametrize("name", ["cuda:99", "cuda", "mps"])
def test_a_device_that_is_absent_is_refused_with_what_there_is(name: str) -> None:
    if {"cuda": "cuda:0"}.get(name, name) in available_devices():
        pytest.skip(f"{name} is here")
    with pytest.raises(ConfigError) as caught:
        choose_device(name)
    assert f"--device {name}: not on this machine" in str(caught.value)
    assert "there is " + ", ".join(available_devices()) in str(caught.value)


@pytest.mark.parametrize(
    "name", ["gpu", "cuda:", "cuda:-1", "cuda:x", "CPU", "", "cpu:0", "cuda:0 "]
)
def test_a_name_that_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="choose auto, cpu, mps, cuda or cuda:N"):
        choose_device(name)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_is_its_first_device() -> None:
    assert choose_device("cuda") == CUDA
    assert device_name(CUDA).startswith("cuda:0 ")


@pytest.mark.parametrize(
    ("name", "device", "dtype"),
    [
        ("auto", CPU, torch.float32),
        ("auto", CUDA, torch.bfloat16),
        ("auto", torch.device("mps"), torch.bfloat16),
        ("float16", CPU, torch.float16),
        ("bfloat16", CPU, torch.bfloat16),
        ("float32", CUDA, torch.float32),
    ],
)
def test_the_number_format_goes_with_the_device(
    name: str, device: torch.device, dtype: torch.dtype
) -> None:
    assert choose_dtype(name, device) == dtype


def test_an_unknown_number_format_is_refused() -> None:
    with pytest.raises(ConfigError, match="--dtype int8: choose auto, float32"):
        choose_dtype("int8", CPU)


def test_the_cpu_is_called_so() -> None:
    assert device_name(CPU) == "cpu"


def test_the_memory_of_a_cpu_is_nobodys_concern() -> None:
    assert device_memory(CPU) is None
    release_memory(CPU)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_what_this_process_holds_counts_as_free() -> None:
    before = device_memory(CUDA)
    held = torch.empty(2**28, dtype=torch.uint8, device=CUDA)
    after = device_memory(CUDA)
    assert before is not None
    assert after is not None
    assert abs(after.free - before.free) < 2**26
    assert before.free <= before.total
    del held
