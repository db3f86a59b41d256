"""The GPUs of this machine as NVIDIA's driver names them; CUDA itself is not touched."""

from __future__ import annotations

from dataclasses import dataclass

from rushes.errors import ConfigError
from rushes_queue.jobs.queue_names import GpuClass

_GIB = 2**30
# A card has a little less memory than its name says.
_CLASSES: tuple[tuple[float, GpuClass], ...] = (
    *((75, "gpu80"), (44, "gpu48")),
    *((22, "gpu24"), (14, "gpu16")),
)


@dataclass(frozen=True)
class Gpu:
    """One GPU; ``uuid`` identifies it whichever other cards are visible."""

    index: int
    uuid: str
    name: str
    memory_bytes: int

    @property
    def gpu_class(self) -> GpuClass:
        """The largest class of jobs that it can take."""
        gib = self.memory_bytes / _GIB
        return next((name for least, name in _CLASSES if gib >= least), "any")


def list_gpus() -> tuple[Gpu, ...]:
    """Return the GPUs, none where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return tuple(_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount()))
    finally:
        pynvml.nvmlShutdown()


def choose_gpu(wanted: str) -> Gpu | None:
    """Return the GPU of ``--gpu``: a number, ``auto`` for the first one; None means the CPU.

    Raises: ConfigError when it is not there.
    """
    if wanted == "cpu":
        return None
    gpus = list_gpus()
    if wanted == "auto":
        return gpus[0] if gpus else None
    for gpu in gpus:
        if wanted in (str(gpu.index), gpu.uuid):
            return gpu
    known = ", ".join(f"{gpu.index} ({gpu.name})" for gpu in gpus) or "none"
    raise ConfigError(f"--gpu {wanted}: not on this machine; GPUs here: {known}; or write cpu")


def _gpu(pynvml: object, index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)  # type: ignore[attr-defined]
    return Gpu(
        index=index,
        uuid=_text(pynvml.nvmlDeviceGetUUID(handle)),  # type: ignore[attr-defined]
        name=_text(pynvml.nvmlDeviceGetName(handle)),  # type: ignore[attr-defined]
        memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),  # type: ignore[attr-defined]
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
