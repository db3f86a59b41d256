"""GPUs by the number of threads that fill them, which decides the noise that they draw.

PyTorch fills a tensor with as many threads as the GPU holds at once. Up to that many numbers all
GPUs draw the same for a seed; of more, only those with the same number of threads do.

Source: pytorch: aten/src/ATen/native/cuda/DistributionTemplates.h; NVIDIA's CUDA C++ Programming
Guide, "Compute Capabilities" (threads a multiprocessor), and the white papers (multiprocessors)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

THREADS_PER_BLOCK = 256

DeviceClass = Literal["h100", "h200", "h100-pcie", "a100", "b200", "l40s", "4090", "3090", "5090"]
DEVICE_CLASSES: tuple[DeviceClass, ...] = get_args(DeviceClass)
DEFAULT_DEVICE_CLASS: DeviceClass = "h100"


@dataclass(frozen=True, slots=True)
class Gpu:
    """How many blocks of 256 threads a GPU runs at the same time."""

    multiprocessors: int
    blocks_each: int

    @property
    def threads(self) -> int:
        return self.multiprocessors * self.blocks_each * THREADS_PER_BLOCK


GPUS: dict[DeviceClass, Gpu] = {
    "h100": Gpu(132, 8),
    "h200": Gpu(132, 8),
    "h100-pcie": Gpu(114, 8),
    "a100": Gpu(108, 8),
    "b200": Gpu(148, 8),
    "l40s": Gpu(142, 6),
    "4090": Gpu(128, 6),
    "3090": Gpu(82, 6),
    "5090": Gpu(170, 6),
}
