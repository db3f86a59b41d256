"""What a timeline, and what is made of it, is called."""

from __future__ import annotations

from pathlib import Path

from rushes.errors import ConfigError
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.video.names import name_take


def timeline_name(file: Path) -> str:
    """Return the name of a timeline or workflow file without its extensions."""
    return file.name.removesuffix(".json").removesuffix(".scope-workflow") or "timeline"


def name_output(
    output: Path | None, timeline: Path, plan: RenderPlan, *, is_one_of_many: bool
) -> Path:
    """Name a result: as asked, else as the timeline says, else like the timeline file.

    Raises: ConfigError when what was asked for is not a name.
    """
    if output is not None and not output.name:
        raise ConfigError(f"--output {output}: names no file; give one, such as out.mp4")
    path = output or Path(f"{plan.output.name or timeline_name(timeline)}.mp4")
    return name_take(path, plan.seed) if is_one_of_many else path
