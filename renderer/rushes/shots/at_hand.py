"""The files that a plan names, looked at before anything is rendered: there, and of use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rushes.errors import AdapterError, MissingFileError
from rushes.presets.preset import Preset, load_preset, preset_names
from rushes.timeline.loras import BESIDE, find_all
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.weights.lora_check import check_lora


def check_files(
    plan: RenderPlan,
    folder: Path,
    lora_folders: Sequence[Path],
    preset: Preset,
    *,
    only_this: bool = True,
) -> tuple[str, ...]:
    """Refuse a plan whose files are not here, or whose LoRAs cannot be applied; return warnings.

    LoRAs are judged from their headers, by the sizes of the preset's network; with ``only_this``
    off, one that fits another shipped preset is a warning.
    Raises: MissingFileError that names all files that are not there; AdapterError with a line for
        each LoRA that cannot be applied.
    """
    missing = [name for name in plan.steering_files if not (folder / name).exists()]
    if missing:
        raise MissingFileError(
            f"{', '.join(str(folder / name) for name in missing)}: there is no such file, which is "
            "to steer the render; check its name, or leave it out"
        )
    warnings: list[str] = []
    faults: list[str] = []
    for path in find_all(plan.loras, (folder / BESIDE, *lora_folders)).values():
        try:
            header = check_lora(path, preset, with_vace=plan.is_steered)
            warnings += header.warnings
        except AdapterError as error:
            fitting = None if only_this else _fitting_preset(path, plan)
            if fitting is None:
                faults.append(str(error))
            else:
                warnings.append(f"{error}, or --preset {fitting}, which it fits")
    if faults:
        raise AdapterError("\n".join(faults))
    return tuple(warnings)


def _fitting_preset(path: Path, plan: RenderPlan) -> str | None:
    for name in preset_names():
        try:
            check_lora(path, load_preset(name), with_vace=plan.is_steered)
        except AdapterError:
            continue
        return name
    return None
