"""What a render is computed with: threads, which the request fixes, and the kind of machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeVar

import torch

# Of a render on a CPU that asks for no number. Sums are cut up among threads, so their number
# decides the last bits; on two cores one thread is also the fastest for `pocket`.
THREADS_ON_CPU: Final = 1

T = TypeVar("T")


@dataclass(frozen=True)
class MachineKind:
    """What outside a job decides the last bits of its frames.

    ``threads`` and ``cpu_capability`` are ``None`` where nothing is computed on a CPU;
    ``pairs_chunks`` is off where the GPU's memory leaves no room for two chunks in one pass, and
    ``in_rows`` is on where sums are rounded by how many other renders share a pass.
    """

    device: str
    torch: str
    threads: int | None = None
    cpu_capability: str | None = None
    pairs_chunks: bool = True
    in_rows: bool = False

    def __str__(self) -> str:
        threads = self.threads and f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        clean = None if self.pairs_chunks else "each clean pass by itself"
        rows = "passes shared with other renders" if self.in_rows else None
        parts = (self.device, self.cpu_capability, threads, f"torch {self.torch}", clean, rows)
        return ", ".join(part for part in parts if part)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-safe data: the arguments for an equal one."""
        return asdict(self)


def machine_kind(
    device: torch.device,
    *,
    uses_cpu: bool = False,
    pairs_chunks: bool = True,
    in_rows: bool = False,
) -> MachineKind:
    """Return the kind that this process is now, computing on a device.

    ``uses_cpu``: partly on the CPU; ``pairs_chunks``: as in the memory plan; ``in_rows``: as in the
    kind.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    on_host = device.type == "cpu" or uses_cpu
    return MachineKind(
        name,
        torch.__version__,
        torch.get_num_threads() if on_host else None,
        cpu_capability() if on_host else None,
        pairs_chunks=pairs_chunks,
        in_rows=in_rows,
    )


def cpu_capability() -> str:
    """Return the instructions that torch computes with on this processor, such as AVX512."""
    return torch.backends.cpu.get_cpu_capability()


def mixture_warnings(kinds: tuple[MachineKind, ...]) -> tuple[str, ...]:
    """Return a warning if more than one kind has made the frames; the oldest comes first."""
    if len(kinds) < 2:
        return ()
    named = ", then ".join(f"({kind})" for kind in kinds)
    return (
        f"the frames come from different kinds of machines: {named}; their last bits may differ "
        "from those of a render that was not interrupted",
    )


@contextmanager
def computing_threads(wanted: int | None, device: torch.device) -> Iterator[None]:
    """Compute with so many threads; with ``None`` with one on a CPU, and elsewhere as torch likes.

    Threads that are started meanwhile do the same.
    """
    if wanted is None and device.type == "cpu":
        wanted = THREADS_ON_CPU
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def computed_in_threads(
    items: Iterator[T], wanted: int | None, device: torch.device
) -> Iterator[T]:
    """Yield items, each made as with ``computing_threads``; who takes them computes as before."""
    while True:
        with computing_threads(wanted, device):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
