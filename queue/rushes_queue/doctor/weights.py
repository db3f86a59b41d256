"""Which presets have their weights here."""

from __future__ import annotations

from collections.abc import Iterator

from rushes_queue.doctor.finding import Check, Finding, ok, warning
from rushes_queue.settings import LoadedSettings


def check_presets(loaded: LoadedSettings) -> Iterator[Finding]:
    from rushes.catalogue import is_installed
    from rushes.presets import load_preset, preset_names

    folder = loaded.settings.models_dir
    for name in preset_names():
        preset = load_preset(name)
        if preset.brings_weights:
            yield ok(name, "needs none: its weights are shipped, or made on first use")
        elif is_installed(preset, folder):
            yield ok(name, f"all files are below {folder}")
        else:
            yield warning(
                name, f"files are missing below {folder}", f"rushes models download {name}"
            )


CHECKS: tuple[Check, ...] = (check_presets,)
