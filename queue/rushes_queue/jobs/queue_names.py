"""Names of the queues: preset, GPU class, priority."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, get_args

from rushes_queue.errors import JobError

Priority = Literal["high", "normal", "low"]
GpuClass = Literal["any", "gpu16", "gpu24", "gpu48", "gpu80"]

PRIORITIES: tuple[Priority, ...] = get_args(Priority)  # most urgent first
GPU_CLASSES: tuple[GpuClass, ...] = get_args(GpuClass)  # smallest first
PRESET_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

_NAME = re.compile(rf"({PRESET_PATTERN})\.({'|'.join(GPU_CLASSES)})\.({'|'.join(PRIORITIES)})")


def queue_name(preset: str, gpu_class: GpuClass, priority: Priority) -> str:
    """Return the queue that a job waits in.

    Raises: JobError when one of the parts is not allowed.
    """
    name = f"{preset}.{gpu_class}.{priority}"
    if not _NAME.fullmatch(name):
        raise JobError(f"{name!r} is not a queue; write preset.class.priority, as tiny.any.normal")
    return name


def split_queue_name(name: str) -> tuple[str, GpuClass, Priority]:
    """Return preset, class and priority of a queue.

    Raises: JobError when it is not a name of a queue.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise JobError(f"{name!r} is not a queue; write preset.class.priority, as tiny.any.normal")
    preset, gpu_class, priority = match.groups()
    return preset, gpu_class, priority  # type: ignore[return-value]


def served_queues(presets: Iterable[str], gpu_class: GpuClass) -> list[str]:
    """Return the queues that a GPU of this class serves, in the order of service.

    High priority first; then jobs that need a GPU this large, so that a large GPU is not busy with
    jobs that any GPU could do; then in the order of the presets.
    """
    presets = list(presets)
    classes = GPU_CLASSES[: GPU_CLASSES.index(gpu_class) + 1][::-1]
    return [
        queue_name(preset, wanted, priority)
        for priority in PRIORITIES
        for wanted in classes
        for preset in presets
    ]
