"""Checks before a render that the files of a plan exist and can be used."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from rushes.errors import AdapterError, InputError, MissingFileError
from rushes.presets.preset import Preset, load_preset, preset_names
from rushes.timeline.loras import BESIDE, find_all
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.video.read.fit import Deinterlace
from rushes.weights.lora_check import check_lora


def check_files(
    plan: RenderPlan,
    folder: Path,
    lora_folders: Sequence[Path],
    preset: Preset,
    *,
    only_this: bool = True,
    given: Collection[str] = (),
    deinterlace: Deinterlace = "auto",
) -> tuple[str, ...]:
    """Refuse a plan whose files are not here or cannot be used; return warnings.

    LoRAs are checked by their headers against the sizes of the preset's network; unless
    ``only_this``, one that fits another shipped preset is a warning. ``given`` are the files that
    the user named, not the document.
    Raises: MissingFileError that names all given files that are not there; InputError for others
        that are not, and for those that hold no picture; AdapterError with a line for each LoRA
        that cannot be applied.
    """
    remarks = _look_at_pictures(plan, folder, given, deinterlace)
    return (*remarks, *_judge_loras(plan, folder, lora_folders, preset, only_this=only_this))


def _look_at_pictures(
    plan: RenderPlan, folder: Path, given: Collection[str], deinterlace: Deinterlace
) -> tuple[str, ...]:
    """Check the files that steer a plan; return how their pictures are converted."""
    missing = [name for name in plan.steering_files if not (folder / name).exists()]
    if missing:
        fault = MissingFileError if set(missing) <= set(given) else InputError
        raise fault(
            f"{', '.join(str(folder / name) for name in missing)}: there is no such file to "
            "steer the render; check its name, or leave it out"
        )
    remarks: list[str] = []
    for name in plan.steering_files:
        from rushes.video.read.probe import probe_video  # late: it loads av

        info = probe_video(folder / name)
        remarks += info.remarks(deinterlace)
        _refuse_short(plan, name, info.num_frames_at(plan.fps))
    return tuple(remarks)


def _refuse_short(plan: RenderPlan, name: str, num_frames: int) -> None:
    """Raises: InputError when a file has fewer frames than the render begins with."""
    wanted = plan.chunks[0].num_frames
    if name == plan.chunks[0].given_file and num_frames < wanted != 1:  # an image has no length
        raise InputError(
            f"{name}: has {num_frames} frames at {float(plan.fps):g} a second, and the render "
            f"begins with {wanted} of them; give a longer video"
        )


def _judge_loras(
    plan: RenderPlan, folder: Path, lora_folders: Sequence[Path], preset: Preset, *, only_this: bool
) -> tuple[str, ...]:
    warnings: list[str] = []
    faults: list[str] = []
    for name, path in find_all(plan.loras, (folder / BESIDE, *lora_folders)).items():
        try:
            header = check_lora(path, preset, with_vace=plan.is_steered, name=name)
            warnings += header.warnings
        except AdapterError as error:
            fitting = _fitting_preset(path, plan)
            cure = "" if fitting is None else f", or --preset {fitting.name}, which it fits"
            # Those with small random networks are for trials, and named explicitly.
            is_trial = fitting is not None and fitting.random_weights_seed is not None
            (warnings if is_trial and not only_this else faults).append(f"{error}{cure}")
    if faults:
        raise AdapterError("\n".join(faults))
    return tuple(warnings)


def _fitting_preset(path: Path, plan: RenderPlan) -> Preset | None:
    """Return a shipped preset whose network takes a LoRA, one with real weights first."""
    presets = sorted(
        map(load_preset, preset_names()), key=lambda each: each.random_weights_seed is not None
    )
    for preset in presets:
        try:
            check_lora(path, preset, with_vace=plan.is_steered)
        except AdapterError:
            continue
        return preset
    return None
