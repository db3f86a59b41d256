"""The names of timelines and their results."""

from __future__ import annotations

from pathlib import Path

from rushes.errors import ConfigError
from rushes.shots.inputs import refuse_odd_name
from rushes.timeline.names import timeline_name
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.video.names import name_take


def name_output(
    output: Path | None, timeline: Path, plan: RenderPlan, *, is_one_of_many: bool = False
) -> Path:
    """Name a result: as given, else by the timeline, else like the timeline file.

    Raises: ConfigError when what was asked for is not a name.
    """
    if output is not None and not output.name:
        raise ConfigError(f"--output {output}: names no file; give one, such as out.mp4")
    if output is not None:
        refuse_odd_name(output)
    path = output or Path(f"{plan.output.name or timeline_name(timeline)}.mp4")
    return name_take(path, plan.seed) if is_one_of_many else path
