"""Which device and number format a render uses."""

from __future__ import annotations

import ctypes
import gc
import re
import sys

import torch

from rushes.errors import ConfigError
from rushes.memory.estimate import DeviceMemory

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(name: str = "auto") -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` into a device that is here.

    Raises: ConfigError when there is no such device; it says what there is.
    """
    available = available_devices()
    if name == "auto":
        return torch.device(available[0])
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise ConfigError(f"--device {name}: choose auto, cpu, mps, cuda or cuda:N")
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in available:
        raise ConfigError(f"--device {name}: not on this machine; there is {', '.join(available)}")
    return torch.device(wanted)


def available_devices() -> list[str]:
    """Return the devices of this machine, the fastest kind first."""
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Turn ``auto`` or a name into a dtype: bfloat16 on GPUs, float32 on the CPU.

    Metal knows bfloat16 from macOS 14 on; before, it is float16.

    Raises: ConfigError for an unknown name.
    """
    if name == "auto":
        if device.type == "mps" and not _knows_bfloat16():
            return torch.float16
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    if name not in DTYPES:
        raise ConfigError(f"--dtype {name}: choose auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def _knows_bfloat16() -> bool:
    try:
        return torch.backends.mps.is_macos_or_newer(14, 0)
    except RuntimeError:  # no Metal here at all
        return True


def device_memory(device: torch.device) -> DeviceMemory | None:
    """Return the memory of a GPU; None for a CPU, which has swap and other ways to help itself."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return DeviceMemory(total, free + torch.cuda.memory_reserved(device))
    if device.type == "mps":
        most = torch.mps.recommended_max_memory()
        return DeviceMemory(most, most)
    return None


def release_memory(device: torch.device) -> None:
    """Give the memory of tensors that are gone back to the GPU."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def device_name(device: torch.device) -> str:
    """Return what the manifest calls the device."""
    if device.type == "cuda":
        return f"{device} {torch.cuda.get_device_name(device)}"
    return str(device)


def reuse_freed_memory() -> None:
    """Have the C library keep freed memory, for renders on a CPU.

    By default glibc gives every large tensor back to the kernel when it is freed and gets it anew,
    zeroed page by page, a moment later; at 512x512 that took half of the time. Other C libraries
    are left alone. Call it once, before the first render.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
