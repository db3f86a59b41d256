"""A folder to render in with the tiny preset, for tests of whole renders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renders.shots import Frames, read_pngs, write_timeline
from rushes.rendering.loop import Report
from rushes.rendering.pipeline import Pipeline
from rushes.rendering.render import render
from rushes.rendering.request import RenderRequest
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import load_timeline
from rushes.video.read.probe import probe_video

Manifest = dict[str, Any]


@dataclass
class Studio:
    """A folder to render in, and the pipeline to do it with."""

    folder: Path
    pipeline: Pipeline
    lora_folders: tuple[Path, ...] = ()

    def prepare(
        self,
        document: dict[str, Any],
        output: str = "out.mp4",
        source: Path | None = None,
        audio: str | None = None,
        **options: Any,
    ) -> tuple[RenderPlan, RenderRequest]:
        """Write a timeline and plan it the way the command line does."""
        path = write_timeline(self.folder / "shot.json", document)
        chosen = PlanOptions(**options)
        if source is not None:
            info = probe_video(source)
            known = {"input_fps": info.fps, "input_frames": info.num_frames}
            chosen = chosen.model_copy(update=known | {"input_duration": info.duration})
        loaded = load_timeline(path, lora_folders=self.lora_folders).require()
        plan = plan_render(loaded, chosen, self.pipeline.preset)
        request = RenderRequest(
            timeline=path,
            output=self.folder / output,
            input=source,
            options=chosen,
            preset="tiny",
            audio=audio,
        )
        return plan, request

    def render(
        self,
        document: dict[str, Any],
        output: str = "out.mp4",
        report: Report = lambda progress: None,
        force: bool = True,
        **how: Any,
    ) -> Manifest:
        plan, request = self.prepare(document, output, **how)
        return render(self.pipeline, plan, request, force=force, report=report)

    def frames(self, document: dict[str, Any], **how: Any) -> Frames:
        """Render without loss and return the frames."""
        self.render(document, "frames.png", **how)
        return read_pngs(self.folder / "frames")

    def frames_hash(self, document: dict[str, Any], **how: Any) -> str:
        """Render and return the hash of the frames."""
        return str(self.render(document, **how)["frames_sha256"])

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())
