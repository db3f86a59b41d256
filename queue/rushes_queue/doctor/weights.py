"""Which presets have their weights here, and a GPU that is large enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rushes_queue.doctor.finding import Check, Finding, ok, warning
from rushes_queue.settings.loaded import LoadedSettings

if TYPE_CHECKING:
    from rushes.presets.preset import Preset

_WIDTH, _HEIGHT = 832, 480  # what the public checkpoints were trained for
_GIB = 2**30


def check_presets(loaded: LoadedSettings) -> Iterator[Finding]:
    from rushes.presets.preset import load_preset, preset_names
    from rushes_queue.worker.gpus import list_gpus

    largest = max((gpu.memory_bytes for gpu in list_gpus()), default=None)
    for name in preset_names():
        preset = load_preset(name)
        if preset.brings_weights:
            yield ok(name, "needs no download: its weights are shipped, or made on first use")
        else:
            yield _judge(loaded, preset, largest)


def _judge(loaded: LoadedSettings, preset: Preset, largest: int | None) -> Finding:
    from rushes.memory.estimate import estimate_memory
    from rushes.presets.catalogue import is_installed

    memory = estimate_memory(preset, _WIDTH, _HEIGHT)
    needed = max(memory.rendering, memory.encoding_prompts)
    detail = f"{needed / _GIB:.1f} GiB of GPU memory at {_WIDTH}x{_HEIGHT}"
    folder = loaded.settings.models_dir
    if not is_installed(preset, folder):
        command = f"rushes models download {preset.name}"
        return warning(preset.name, f"files are missing below {folder}; it needs {detail}", command)
    if largest is not None and largest < needed:
        return warning(
            preset.name,
            f"needs {detail}, and the largest GPU has {largest / _GIB:.1f} GiB",
            "a smaller --size or --vae; rushes plan shows what each needs",
        )
    return ok(preset.name, f"all files are below {folder}; needs {detail}")


CHECKS: tuple[Check, ...] = (check_presets,)
